"""The door: what it lets in, and that every fault comes out at once, in one line each, with a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspection.errors import ConfigError
from pipelines.door import load_config

GOOD = """
name: demo
data:
  kind: folder
  root: ${PLUMBLINE_DATA}/tiles
  ok_class: ok
student:
  epochs: 3
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "line.yaml"
    path.write_text(GOOD)
    return path


def faults(path: Path, *changes: str, **variables: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, changes, variables)
    assert caught.value.exit_code == 2
    assert all("\n" not in fault for fault in caught.value.faults)
    return caught.value.faults


def test_reads_a_config_and_expands_variables(config: Path) -> None:
    read = load_config(config, [], {"PLUMBLINE_DATA": "/images"})
    assert read.data.root == Path("/images/tiles")
    assert read.student.epochs == 3
    assert read.teacher.backbone == "resnet18"


def test_a_command_that_reads_no_images_needs_no_variable(config: Path) -> None:
    assert any("PLUMBLINE_DATA" in fault for fault in faults(config))
    assert load_config(config, [], {}, need_all=False).name == "demo"
    with pytest.raises(ConfigError, match="unknown key"):
        load_config(config, ["monitor.p=1"], {}, need_all=False)
    # … but one that the config cannot be read without is told there too.
    with pytest.raises(ConfigError, match=r"name: \$\{LINE\} is not set"):
        load_config(config, ["name='${LINE}'"], {}, need_all=False)


def test_an_unset_variable_is_one_fault_but_hides_no_other(config: Path) -> None:
    (only,) = faults(config, "name='${LINE}'", PLUMBLINE_DATA="/images")
    assert only.endswith(
        "name: ${LINE} is not set; export LINE=… (or put it in .env), or give name=…"
    )
    both = faults(config, "nam='${LINE}'", PLUMBLINE_DATA="/images")
    assert any("unknown key: did you mean 'name'?" in fault for fault in both)


def test_a_name_is_asked_for_in_words(config: Path) -> None:
    (said,) = faults(config, "name=wéird", PLUMBLINE_DATA="/images")
    assert said.endswith(
        "name: write 2 to 41 small letters a to z, digits and '_', a letter first, such as 'line_3', got 'wéird'"
    )


@pytest.mark.parametrize(
    ("change", "where", "value"),
    [
        ("student.epochs=9", "student.epochs", 9),
        ("student.learning_rate=0.01", "student.learning_rate", 0.01),
        ("data.synthetic.shuffle_labels=true", "data.synthetic.shuffle_labels", True),
        ("gate.min_macro_f1=0.9", "gate.min_macro_f1", 0.9),
        ("data.ok_class=", "data.ok_class", None),
        ("teacher.weights=/w/a=b.safetensors", "teacher.weights", "/w/a=b.safetensors"),
    ],
)
def test_changes_reach_their_key(config: Path, change: str, where: str, value: object) -> None:
    read: object = load_config(config, [change], {"PLUMBLINE_DATA": "/images"})
    for key in where.split("."):
        read = getattr(read, key)
    assert read == value


def test_a_change_is_made_before_variables_are_expanded(config: Path) -> None:
    assert load_config(config, ["data.root=/elsewhere"], {}).data.root == Path("/elsewhere")
    used = load_config(config, ["data.root=${PLUMBLINE_DATA}/b"], {"PLUMBLINE_DATA": "/a"})
    assert used.data.root == Path("/a/b")


def test_an_unset_variable_is_named_with_both_remedies(config: Path) -> None:
    (fault,) = faults(config)
    assert "data.root" in fault
    assert "export PLUMBLINE_DATA=" in fault
    assert "give data.root=" in fault


def test_all_faults_come_at_once(config: Path) -> None:
    said = faults(config, "student.epoch=3", "seed=-1", "gate.min_accuracy=two", "oops")
    assert len(said) == 5  # four changes and the unset variable
    assert any("student.epoch: unknown key: did you mean 'epochs'?" in fault for fault in said)
    assert any("seed: " in fault and "-1" in fault for fault in said)
    assert any("gate.min_accuracy" in fault and "'two'" in fault for fault in said)
    assert any("'oops': a change is key=value" in fault for fault in said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("datta.root=/x", "did you mean 'data'"),
        ("data.synthetic.images_per_clas=3", "did you mean 'images_per_class'"),
        ("checks.zzz=3", "valid are max_megapixels"),
        ("name=Not A Name", "name: "),
        ("student.epochs.more=1", "holds a value"),
        ("student.epochs=[1", "not readable as YAML"),
        ("data.kind=foldr", "data.kind"),
        ("data.label_pattern='['", "not a regular expression"),
        ("data.label_pattern=abc", "exactly one (group)"),
        ("split.test=0.8", "leave nothing to train on"),
        ("data.root=", "give data.root="),
    ],
)
def test_each_mistake_has_its_own_line(config: Path, change: str, said: str) -> None:
    more = ["split.val=0.5"] if change.startswith("split") else []
    found = faults(config, change, *more, PLUMBLINE_DATA="/images")
    assert any(said in fault for fault in found), found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a1\nname: b1\ndata: {kind: synthetic}", "'name' is given twice"),
        ("name: demo\ndata:\n  kind: synthetic\n  kind: voc", "'kind' is given twice"),
        ("- a\n- b", "holds a list"),
        ("", "is empty"),
        ("name: [", "not readable as YAML"),
        ("name: demo", "data: missing"),
    ],
)
def test_files_that_are_no_config(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    found = faults(path)
    assert any(said in fault for fault in found), found
    assert all(str(path) in fault for fault in found)


def test_a_missing_file_names_its_neighbour(config: Path) -> None:
    (fault,) = faults(config.with_name("lime.yaml"))
    assert "no such config" in fault
    assert "line.yaml" in fault


def test_a_binary_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "image.yaml"
    path.write_bytes(b"\xff\xd8\xff\xe0\x00\x10")
    (fault,) = faults(path)
    assert "not readable as YAML" in fault


def test_door__student_starts_from_the_teachers_weights(tmp_path: Path) -> None:
    path = tmp_path / "line.yaml"
    path.write_text(
        "name: line\ndata: {kind: synthetic}\nteacher: {backbone: resnet18, weights: w.safetensors}\n"
        "student: {architecture: 'timm:resnet18', weights: teacher}\n"
    )
    assert load_config(path, [], {}).student.weights == "w.safetensors"
    assert load_config(path, ["teacher.weights=none"], {}).student.weights == "none"
    with pytest.raises(ConfigError, match=r"student.architecture=timm:resnet18"):
        load_config(path, ["student.architecture=plumbnet_s"], {})


def test_a_budget_is_short_for_the_searchs_own(config: Path) -> None:
    variables = {"PLUMBLINE_DATA": "/images"}
    assert load_config(config, [], variables).search is None
    for change in ("budget=1h30m", "search.budget=1h30m"):
        search = load_config(config, [change], variables).search
        assert search is not None
        assert search.budget == "1h30m"
    assert load_config(config, ["budget=5m", "search=null"], variables).search is None
    again = load_config(config, ["search=null", "budget=5m"], variables).search
    assert again is not None


@pytest.mark.parametrize("budget", ["20", "-5m", "abc", "0s", "", "1.5h", "90 m", "9999999h"])
def test_a_budget_that_is_no_duration_is_one_sentence(config: Path, budget: str) -> None:
    (fault,) = faults(config, f"budget={budget}", PLUMBLINE_DATA="/images")
    assert "search.budget: write a duration of up to 30 days with its units, such as 90s" in fault


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["search.trails=3"], "search.trails: unknown key: did you mean 'trials'"),
        (["search.vary=[epochs]"], "search.vary.0: input should be 'learning_rate'"),
        (["search.learning_rate=[0.1,0.01]"], "search.learning_rate: give the least and the most"),
        (["search.learning_rate=[0,0.01]"], "search.learning_rate: give the least and the most"),
        (
            ["search.architectures=[plumbnet_m]", "student.weights=w.safetensors"],
            "search.architectures: 'w.safetensors' holds the weights of one network",
        ),
    ],
)
def test_a_search_that_cannot_be_is_refused(config: Path, changes: list[str], said: str) -> None:
    (fault,) = faults(config, *changes, PLUMBLINE_DATA="/images")
    assert said in fault
