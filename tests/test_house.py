"""The repository as strangers meet it: one version, short examples with a question each, forms, one lint."""

import re
from pathlib import Path

import pytest
import yaml

import photoflow

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.py"))
FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")


def test_the_version_is_the_same_everywhere():
    changes = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert changes[0] == photoflow.__version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == photoflow.__version__
    assert 'version = { attr = "photoflow.__version__" }' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_begins_with_its_question(example: Path):
    lines = example.read_text().splitlines()
    assert lines[0].startswith('"""') and "?" in lines[0] and len(lines) <= 60


def test_everybody_lints_alike():
    """The gate and pre-commit call scripts/lint, whose tools are pinned in pyproject.toml alone."""
    hook = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"][0]
    assert hook["entry"] == "scripts/lint" and "scripts/lint" in (ROOT / ".ci" / "run").read_text()
    pinned = re.findall(r'"([\w-]+)==[\w.]+"', (ROOT / "pyproject.toml").read_text())
    assert {"clang-format", "mypy", "ruff"} <= set(pinned)


def test_the_workflow_is_the_gate():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert jobs["gate"]["steps"][-1] == {"run": ".ci/run"}
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        assert yaml.safe_load(workflow.read_text())["permissions"] == {"contents": "read"}, workflow.name


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_is_whole(form: Path):
    """As the code host wants it: a form with a key that it does not know is not shown at all."""
    content = yaml.safe_load(form.read_text())
    assert set(content) == {"name", "description", "labels", "body"}
    for part in content["body"]:
        assert set(part) <= {"type", "id", "attributes", "validations"} and part["attributes"]["label"]
        assert set(part["attributes"]) <= {"label", "description", "render", "placeholder"}
    assert form.stem == "feature" or "photoflow doctor" in form.read_text()
