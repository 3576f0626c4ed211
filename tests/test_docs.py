"""README and docs/: every command runs, every link leads somewhere, and what follows from the code is up to date.

The page's API is run by `tests/ui/compare/test_api.py`, `accelerate launch` by `tests/training/test_workers.py`, and
`bench`, which starts a process for each side of each round, by `tests/studies/test_bench.py`.
"""

import gzip
import re
import shlex
import shutil
from pathlib import Path

import pytest

from prefix_core.artifacts import artifacts
from prefix_core.cli import document, main, parser
from prefix_core.data.tables import to_mr
from prefix_core.studies import evidence, rebuild, results, study, sweep
from prefix_core.tasks import get_task

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
HEAVY = ("python3 -m venv", "docker", "pip", "export", "python app.py")  # looked at by other tests here, not run
# What makes a command quick; of an option given twice the last one counts.
LESS = {
    "train": "--device cpu --steps 2",
    "sweep": "--methods adapter --steps 1 --held-out-limit 1",
    "rebuild": "--tasks e2e --methods prefix prompt_0 --steps 1 --limit 1",
    "study": "lengths --limit 1",
}
SETS = {  # a published set -> our own examples that stand in its place
    "table_to_text/e2e": "e2e",
    "table_to_text/e2e_cleaned": "e2e",
    "table_to_text/webnlg_2017": "webnlg",
    "table_to_text/dart": "dart",
    "summarization/xsum": "summarization",
    "summarization/bbc_news_lead": "summarization",
}


def commands(page: Path) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture
def place(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a tiny base, data of our own, and no way to write anywhere else."""
    for folder, own in SETS.items():
        for name, rows in {"train": slice(0, 12), "dev": slice(12, 14), "test": slice(14, 16)}.items():
            lines = (ROOT / "assets/examples" / f"{own}.jsonl").read_text(encoding="utf-8").splitlines(True)[rows]
            text = "".join(lines).replace("name[", "name[New ")  # other inputs than those that `rebuild` holds out
            path = tmp_path / "data" / folder / f"{name}.jsonl.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(text.encode()))
            shutil.copy(path, path.with_name("validation.jsonl.gz"))
    rows = [(to_mr(example.source), example.references[0]) for example in get_task("e2e").pool()[:12]]
    (tmp_path / "mine.csv").write_text("\n".join(["mr,ref", *(f'"{mr}","{text}"' for mr, text in rows)]))
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "README.md", tmp_path)
    monkeypatch.setattr(results, "PACKAGE", tmp_path / "prefix_core")
    for module in (evidence, rebuild, study, sweep):
        monkeypatch.setattr(module, "evidence_of", lambda base: tmp_path / "evidence")
    monkeypatch.setattr(study, "LENGTHS", (1, 2))
    monkeypatch.setattr(study, "STEPS", {"cpu": 1})
    variables = {"BASE": tiny_folder, "ARTIFACTS": tmp_path / "artifacts", "DATA_DIR": tmp_path / "data"}
    for name, value in variables.items():
        monkeypatch.setenv(f"PREFIX_{name}", str(value))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.stem)
def test_every_command_runs(page: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in commands(page):
        if command.startswith(HEAVY):
            continue
        _, _, rest = command.partition("-m prefix_core ")
        assert rest, f"{page.name} has a command that no test runs: {command}"
        words = shlex.split(rest)
        if words[0] == "bench":
            parser()[0].parse_args(words)
            continue
        assert main([*words, *shlex.split(LESS.get(words[0], ""))]) == 0, (command, capsys.readouterr().err)
    if page.stem == "README":
        assert artifacts.read_card(place / "my-prefix").steps == 2
    if page.stem == "making-it-anew":
        assert {path.name for path in (place / "evidence").iterdir()} >= {"sweep.json", "e2e.json", "lengths.json"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere_and_code_is_python(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("https://") or (page.parent / target).exists(), target
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        compile(code, page.name, "exec")
        for line in code.splitlines():
            if line.startswith("from prefix_core"):
                exec(line)
    for path in re.findall(r"`((?:prefix_core|tests)/[\w/]+\.py)`", text):
        assert (ROOT / path).is_file(), path


def test_pages_that_follow_from_the_code_are_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m prefix_core document docs` makes it so."""
    monkeypatch.delenv("PREFIX_BASE", raising=False)
    written = document.command_line(parser()[1].parsers)
    known = (ROOT / "docs/command-line.md").read_text(encoding="utf-8")
    assert known.split() == written.split()  # where lines of help are broken differs between versions of Python
    assert document.tree() in (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def test_every_module_says_what_it_is() -> None:
    for line in document.tree().splitlines()[1:-1]:
        assert len(line.split()) > 2, f"{line.strip()} has no docstring"


def test_a_host_gets_every_package_that_is_asked_for() -> None:
    locked = (ROOT / "requirements.lock").read_text()
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, version = line.partition("==")
            name = re.sub("[-_.]+", "-", name)
            assert re.search(rf"^{name}=={re.escape(version)}(\+cpu)?\s.*\\$", locked, re.MULTILINE), line
    assert locked.count("--hash=sha256:") >= locked.count("==")


def test_the_container_copies_what_is_there_and_is_nobody() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    for line in lines:
        if line.startswith("COPY"):
            *sources, _ = [word for word in line.split()[1:] if not word.startswith("--")]
            assert all((ROOT / source).exists() for source in sources), line
    users = [line.split()[1] for line in lines if line.startswith("USER")]
    assert users and users[-1] not in ("root", "0")
