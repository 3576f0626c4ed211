"""What holds for every task: its own examples are many and right, what is shown is read back, a name is a name."""

import pytest

from prefix_core.errors import InputError
from prefix_core.tasks import TASKS, get_task, task_of
from prefix_core.tasks.task import first_line


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_what_is_shown_is_read_back(task):
    for example in task.pool():
        assert task.parse(task.to_text(example.source)) == example.source
        grid = task.to_grid(example.source)
        assert all(len(row) == len(task.columns) for row in grid)
        assert task.parse(grid) == example.source if task.columns else not grid
        assert 0 < len(task.label(example.source)) < 60


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_the_pool_is_large_varied_and_on_one_line(task):
    pool, few = task.pool(), task.kind == "text" or task.name == "innkeeper"
    assert len({example.source for example in pool}) == len(pool) >= (12 if few else 40)
    assert 4 <= sum(example.featured for example in pool) <= 10
    texts = [text for example in pool for text in example.references]
    assert len(set(texts)) == len(texts) and all(text == text.strip() and "\n" not in text for text in texts)
    assert all("\n" not in task.linearize(example.source) for example in pool)


@pytest.mark.parametrize("task", [task for task in TASKS.values() if task.slots], ids=lambda task: task.name)
def test_our_references_say_every_value_and_nothing_else(task):
    for example in task.pool():
        for text in example.references:
            found = task.slots(example.source, text)
            assert not found.missing and not found.unsupported, text


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_scores_tell_right_texts_from_wrong_ones(task):
    pool = task.pool()[:10]
    right = task.score([example.references[-1] for example in pool], pool)
    wrong = task.score([example.references[-1] for example in [*pool[1:], pool[0]]], pool)
    assert right.keys() == wrong.keys()
    assert right["rouge_l"] == pytest.approx(100) and wrong["rouge_l"] < 60
    assert "slot_coverage" not in right or right["slot_coverage"] == 100 > wrong["slot_coverage"]


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_our_own_examples_are_like_what_was_learned_from(task):
    assert not [said for example in task.pool() if (said := task.unlike(example.source))]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("e2e", "maker[Volvo], wheels[4]", "None of these attributes was in the training data"),
        ("e2e", "name[A], wheels[4], doors[5]", "2 of these 3 attributes were not in the training data"),
        ("e2e", ", ".join(f"area[{number}]" for number in range(25)), "has 25 rows"),
        ("innkeeper", "eatType[pub], near[A]", "None of these attributes"),
        ("webnlg", "\n".join(f"A | r | {number}" for number in range(8)), "These are 8 triples"),
        ("summarization", "It rained.", "has 2 words"),
    ],
)
def test_an_input_unlike_all_that_was_learned_from_is_said_to_be(name, text, said):
    task = get_task(name)
    assert said in task.unlike(task.parse(text))


def test_an_input_of_ones_own_task_has_the_words_of_its_template():
    task = task_of("custom", {"template": "name : {name} | area : {area}", "target": "text"})
    assert not task.unlike("name : A | area : B") and "not written like" in task.unlike("whatever else")
    assert not task_of("custom", {"template": "{title}", "target": "text"}).unlike("whatever")


def test_the_pool_is_nobody_elses_to_change():
    get_task("webnlg").pool().clear()
    assert get_task("webnlg").pool()


def test_an_artifacts_task():
    assert task_of("dart", {}) is TASKS["dart"]
    assert task_of("custom", {"template": "{a} of {b}", "target": "c"}).parse('{"a": 1, "b": 2}') == "1 of 2"
    with pytest.raises(InputError, match="does not say by which template"):
        task_of("custom", {"file": "x.csv"})


@pytest.mark.parametrize("text", ["\n\n One.\nTwo.", "One. \nTwo", " One. "])
def test_the_first_line_counts(text):
    assert first_line(text) == "One."
