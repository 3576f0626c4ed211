"""The commands as a person types them: what they print, where, and what they answer to bad use."""

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prefix_core.cli import main
from prefix_core.data.tables import to_mr
from prefix_core.methods.settings import MLP_RATE

TABLE = "name[The Copper Kettle], eatType[coffee shop], area[city centre]"


@pytest.fixture(scope="module")
def data(e2e_records: list[dict], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Our own examples in every kind of file that training takes."""
    folder = tmp_path_factory.mktemp("data")
    files = {name: folder / f"own.{name}" for name in ("csv", "tsv", "jsonl", "jsonl.gz")}
    pairs = [(record["mr"], text) for record in e2e_records for text in record["references"]]
    for name, mark in (("csv", ","), ("tsv", "\t")):
        rows = [f'"{mr}"{mark}"{text}"' for mr, text in pairs]
        files[name].write_text("\n".join([f"mr{mark}ref", *rows]), encoding="utf-8")
    lines = "".join(json.dumps(record) + "\n" for record in e2e_records)
    files["jsonl"].write_text(lines, encoding="utf-8")
    files["jsonl.gz"].write_bytes(gzip.compress(lines.encode()))
    return files


@pytest.fixture(scope="module")
def e2e_records() -> list[dict]:
    from prefix_core.tasks import get_task

    return [{"mr": to_mr(example.source), "references": list(example.references)} for example in get_task("e2e").pool()]


@pytest.fixture(scope="module")
def prefix(tiny_folder: Path, data: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prefix")
    assert train(tiny_folder, data["csv"], out) == 0
    return out


def train(base: Path, data: Path, out: Path, *more: str) -> int:
    options = ["--base", str(base), "--task", "e2e", "--method", "prefix", "--examples", "40", "--seed", "1"]
    return main(["train", *options, "--steps", "4", "--length", "5", "--data", str(data), "--out", str(out), *more])


@pytest.mark.parametrize("kind", ["tsv", "jsonl", "jsonl.gz"])
def test_training_takes_each_kind_of_file(
    tiny_folder: Path, data: dict[str, Path], kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tiny_folder, data[kind], tmp_path) == 0
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["data"]["texts"] == 40 and card["settings"]["seed"] == 1 and card["steps"] == 4
    assert card["trained"] == card["kept"] == 5 * 2 * 2 * 32
    printed = capsys.readouterr()
    assert printed.out == "" and "4/4" in printed.err and "held-out loss" in printed.err


def test_the_papers_mlp_is_an_option_with_a_rate_of_its_own(
    tiny_folder: Path, data: dict[str, Path], tmp_path: Path
) -> None:
    assert train(tiny_folder, data["csv"], tmp_path, "--mlp-width", "16") == 0
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["settings"]["mlp_width"] == 16 and card["settings"]["learning_rate"] == MLP_RATE
    assert card["trained"] > card["kept"] == 5 * 2 * 2 * 32


def test_generate_prints_the_sentence_and_nothing_else(
    tiny_folder: Path, prefix: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--base", str(tiny_folder), "--artifact", str(prefix), "--text", TABLE]
    assert main(["generate", *options]) == 0
    plain = capsys.readouterr()
    assert plain.out.count("\n") == 1 and plain.err == ""
    assert main(["generate", *options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["output"] + "\n" == plain.out


def test_generate_writes_a_text_for_every_row_of_a_file(
    tiny_folder: Path, prefix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, out = tmp_path / "rows.csv", tmp_path / "written" / "out.csv"
    rows.write_text("name,eatType,area\nPomelo,,riverside\nThe Copper Kettle,coffee shop,city centre\n,,\n")
    options = ["generate", "--base", str(tiny_folder), "--artifact", str(prefix)]
    assert main([*options, "--text", TABLE]) == 0
    alone = capsys.readouterr().out
    assert main([*options, "--data", str(rows), "--out", str(out)]) == 0
    assert "2 texts written to" in capsys.readouterr().err  # a row without any cell is none
    written = list(csv.DictReader(out.open()))
    assert [row["name"] for row in written] == ["Pomelo", "The Copper Kettle"]
    assert written[1]["prefix"] + "\n" == alone and written[1]["prefix said"].endswith(" of 3")
    for options_, message in (
        (["--data", str(rows)], "--data needs --out"),
        (["--data", str(rows), "--out", str(tmp_path / "x.doc")], "ends in one of"),
    ):
        assert main([*options, *options_]) == 2 and message in capsys.readouterr().err
    rows.write_text('mr\n"name[A], area[x]"\n"name[B"\n')
    assert main([*options, "--data", str(rows), "--out", str(out)]) == 2
    assert "rows.csv, row 3" in capsys.readouterr().err


def test_a_prefix_is_hidden_by_strength_0_or_by_other_layers(
    tiny_folder: Path, prefix: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["generate", "--base", str(tiny_folder), "--artifact", str(prefix), "--text", TABLE]
    printed = {}
    for more in ("", "--strength 1 --layers 1-2", "--strength 0", "--layers 2", "--strength 0 --layers 2"):
        assert main([*options, *more.split()]) == 0
        printed[more] = capsys.readouterr().out
    as_learned, whole, hidden, second, hidden_again = printed.values()
    assert as_learned == whole and hidden == hidden_again and as_learned != hidden != second
    assert main([*options, "--strength", "-1"]) == 2 and "0 or more" in capsys.readouterr().err
    assert main([*options, "--layers", "2-3"]) == 2 and "layers 1 to 2" in capsys.readouterr().err


def test_inspect_says_where_the_prefix_acts(
    tiny_folder: Path, prefix: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["inspect", "--base", str(tiny_folder), "--artifact", str(prefix), "--text", TABLE]
    assert main([*options, "--output", "The Copper Kettle"]) == 0
    places = json.loads(capsys.readouterr().out)["places"]
    assert "".join(place["token"] for place in places[:-1]) == "The Copper Kettle"
    assert any(place["divergence"] > 0 for place in places) and any(any(place["share"]) for place in places)


def test_evaluate_prints_one_object_with_the_scores(
    tiny_folder: Path, prefix: Path, data: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--base", str(tiny_folder), "--artifact", str(prefix), "--data", str(data["jsonl.gz"]), "--limit", "7"]
    assert main(["evaluate", *options, "--outputs", str(tmp_path / "out.txt"), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert set(scores) >= {"bleu", "nist", "rouge_l", "cider", "slot_coverage", "inputs", "seconds"}
    assert scores["inputs"] == 7 and len((tmp_path / "out.txt").read_text().split("\n")) == 8


def test_prompting_needs_no_artifact(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for shots in ("0", "2"):
        options = ["--base", str(tiny_folder), "--method", "prompt", "--shots", shots, "--max-new-tokens", "4"]
        assert main(["generate", *options, "--text", TABLE]) == 0
    assert capsys.readouterr().out.count("\n") == 2


def test_training_in_bf16_is_asked_for_and_refused_where_it_would_take_days(
    tiny_folder: Path, data: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    for native, code in ((True, 0), (False, 2)):
        monkeypatch.setattr("prefix_core.model.base.native_bf16", lambda native=native: native)
        out = tmp_path / str(native)
        assert train(tiny_folder, data["csv"], out, "--precision", "bf16") == code
    assert "no bf16 arithmetic" in capsys.readouterr().err
    assert json.loads((tmp_path / "True" / "card.json").read_text())["settings"]["precision"] == "bf16"


def test_list_shows_what_is_trained(
    tiny_folder: Path, prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "tiny" / "e2e" / "prefix"
    folder.parent.mkdir(parents=True)
    folder.symlink_to(prefix)
    monkeypatch.setenv("PREFIX_ARTIFACTS", str(tmp_path))
    assert main(["list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["task"], row["method"]) for row in rows] == [("e2e", "prefix")]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["generate", "--text", "name[Blue Spice"], "is not closed"),
        (["generate", "--text", TABLE, "--method", "fine_tune"], "no fine_tune is trained"),
        (["generate", "--text", TABLE, "--beams", "0"], "at least 1"),
        (["generate", "--text", TABLE, "--shots", "3"], "--shots is for prompting"),
        (["generate", "--text", TABLE, "--device", "banana"], "banana"),
        (["evaluate", "--data", "nowhere.csv"], "nowhere.csv"),
        (["train", "--data", "nowhere.txt", "--out", "x"], "nowhere.txt"),
    ],
)
def test_bad_use_is_one_clear_line_and_exit_code_2(
    tiny_folder: Path, prefix: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--base", str(tiny_folder)]
    if arguments[0] != "train" and "fine_tune" not in arguments:
        more += ["--artifact", str(prefix)]
    assert main([*arguments, *more]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1 and says in printed.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "COMMAND"),
        (["writ"], "writ"),
        (["generate"], "--text"),
        (["generate", "--text", "x", "--method", "magic"], "magic"),
        (["evaluate", "--data", "x.csv", "--limit", "-5"], "'-5' is no whole number of at least 1"),
    ],
)
def test_bad_use_is_answered_by_one_line_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    told = capsys.readouterr().err
    assert stopped.value.code == 2 and told.count("\n") == 1 and said in told and "--help" in told


def test_an_input_is_cut_or_refused_as_asked_and_what_is_cut_is_told(
    tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--base", str(tiny_folder), "--method", "prompt", "--max-new-tokens", "4", "--json", "--text"]
    article, table = "A long story goes on and on. " * 300, " ".join(f"name[{'very ' * 90}]" for _ in range(6))
    for task, text, choice, code in [
        ("summarization", article, [], 0),
        ("summarization", article, ["--no-cut"], 2),
        ("e2e", table, [], 2),
        ("e2e", table, ["--cut"], 0),
    ]:
        assert main(["generate", "--task", task, *options, text, *choice]) == code
        printed = capsys.readouterr()
        if code == 0:
            cut = json.loads(printed.out)["cut"]
            assert cut > 0 and f"cut at its end, by {cut} tokens" in printed.err
        else:
            assert "shorten" in printed.err.lower() and printed.err.count("\n") == 1


def test_a_device_that_is_not_computed_on_is_refused(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for device, said in (("mps", "cannot be computed on here"), ("gpu", "not known")):
        assert main(["generate", "--base", str(tiny_folder), "--device", device, "--text", TABLE]) == 2
        assert said in capsys.readouterr().err


def test_after_a_rate_too_high_a_lower_one_can_be_tried_at_once(
    tiny_folder: Path, data: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tiny_folder, data["csv"], tmp_path, "--learning-rate", "1e38") == 2
    assert "lower --learning-rate" in capsys.readouterr().err
    assert train(tiny_folder, data["csv"], tmp_path, "--learning-rate", "1e-3") == 0


def test_bad_data_leave_no_folder(tiny_folder: Path, tmp_path: Path) -> None:
    assert train(tiny_folder, tmp_path / "none.csv", tmp_path / "out") == 2
    assert not (tmp_path / "out").exists()


def test_help_names_the_commands_and_the_screen_is_never_loaded() -> None:
    code = """
import sys, prefix_core.studies.rebuild
from prefix_core.cli import main
try:
    main(["--help"])
finally:
    assert not {"gradio", "plotly"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("generate", "train", "evaluate", "list", "bench"):
        assert f"    {command} " in done.stdout


def test_ctrl_c_keeps_what_is_learned_and_the_same_command_goes_on(
    tiny_folder: Path, data: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "train", "--base", str(tiny_folder), "--data", str(data["csv"]), "--examples", "40", "--length", "5",
        "--steps", "400", "--out", str(tmp_path),
    ]  # fmt: skip
    module = [sys.executable, "-m", "prefix_core"]
    with subprocess.Popen([*module, *command], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        while "held-out loss" not in said:
            said = process.stderr.readline()
            assert said, "training ended before it began"
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait() == 0
    assert "goes on from" in rest
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["ended"] == "stopped" and 0 < card["steps"] < 400
    assert (tmp_path / "checkpoint.safetensors").exists()
    assert main(command) == 0
    said = capsys.readouterr().err
    assert "step 400: held-out" in said and "step 20: held-out" not in said  # it did not begin again
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["ended"] == "complete" and card["steps"] == 400
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_standard_input_that_is_not_utf8_is_refused_by_its_byte(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("name[Café]".encode("cp1252")), "cp1252"))
    assert main(["generate", "--base", str(tiny_folder), "--method", "prompt", "--text", "-"]) == 2
    assert "standard input: byte 9 (0xe9) is not UTF-8" in capsys.readouterr().err


def test_a_terminal_that_lacks_letters_gets_them_escaped(tiny_folder: Path) -> None:
    command = [sys.executable, "-m", "prefix_core", "generate", "--base", str(tiny_folder), "--method", "prompt"]
    done = subprocess.run(
        [*command, "--text", "name[Café Sicilia]", "--max-new-tokens", "4"],
        env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and done.stdout.isascii() and b"Traceback" not in done.stderr


def test_verbose_says_how_a_file_was_read(
    tiny_folder: Path, prefix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").write_text(f'mr;references;ref\n"{TABLE}";;A kettle.\n')
    options = ["--base", str(tiny_folder), "--artifact", str(prefix), "--data", str(tmp_path / "x.csv")]
    assert main(["evaluate", *options, "--verbose"]) == 0
    told = capsys.readouterr().err
    assert "x.csv: CSV, UTF-8, separated by semicolons, 1 row" in told and "input: mr; text: ref" in told
    assert "no CIDEr" in told
