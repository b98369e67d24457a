"""The export's page: every fate with its sentence, every figure of the certificate, and what is still open."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from inspection.reporting.export_report import render_export_report, write_export_report
from inspection.reporting.export_run import ExportReport
from tests.unit.export_report_material import (
    FP16_MADE,
    LAYER,
    certificate,
    digest_of,
    export_report,
    planned,
    precision,
    verdict,
)
from tests.unit.reporting_audit import Audit, audit


def page(**changes: object) -> Audit:
    return audit(render_export_report(export_report(**changes)))


def test_every_chapter_is_there_and_every_tag_is_closed() -> None:
    found = page()
    assert [title for level, title in found.headings if level == 2] == [
        "Precisions and their fates",
        "Speed beside FP32",
        "Decisions",
        "Class by class",
        "Still open",
        "Sensitivity by layer",
        "Float islands of FP16",
        "Calibration",
        "Gate",
    ]
    assert found.crossed == []
    assert found.unclosed == []


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    written = write_export_report(export_report(), tmp_path / "report.html")
    found = audit(written.read_text(encoding="utf-8"))
    assert not [value for value in found.values("src") if not value.startswith("data:")]
    assert not [v for v in found.values("href") if not v.startswith(("#", "data:"))]


def test_each_precision_has_its_fate_and_the_rest_of_its_sentence() -> None:
    text = page().text
    for fate in ("kept", "chosen", "pending", "refused"):
        assert fate in text
    assert "1.37x the speed of fp32 here" in text
    assert "int8_cpu is chosen" in text
    assert "its speed is TensorRT's" in text


def test_speed_comes_with_its_interval() -> None:
    found = page()
    assert "1.31 – 1.43" in found.text
    assert "2.20 – 2.40" in found.text
    (alt,) = (words for words in found.values("aria-label") if words.startswith("Speed beside"))
    assert "openvino int8_cpu 2.31" in alt


def test_decisions_are_told_row_by_row_and_class_by_class() -> None:
    text = page().text
    assert "3 labels changed in 480 test images, allowed 0" in text
    assert "1.15 %" in text  # the upper bound of flips
    assert "patches" in text
    assert "-1.2 %" in text
    assert "-6.8 %" in text
    assert "0.0132" in text  # calibration error


def test_classes_that_nothing_moved_are_told_once() -> None:
    full = certificate()
    quiet = dataclasses.replace(full, rows=full.rows[:1] * 3)
    text = page(certificate=quiet).text
    assert "No class is recognised more or less often by any conversion." in text
    assert text.count("each") >= 6
    assert text.count("scratches") == 2  # here, and among the calibration images


def test_a_device_s_row_says_whose_word_it_is() -> None:
    assert "from an unsigned device report, device 0f3a91bc22d4e871" in page().text


def test_open_rows_come_with_their_reason_and_the_commands() -> None:
    found = page()
    assert "2 rows of the certificate are open" in found.text
    assert "2 of 7" in found.text
    assert "no TensorRT on this machine" in found.text
    assert (
        "--require tensorrt --variant int8_tensorrt --out tensorrt-int8_tensorrt.json" in found.text
    )
    assert f"/.certification/{digest_of('bundle')}.npz" in found.text
    back = f"plumbline certify /plant/store/bundles/{digest_of('bundle')}"
    assert f"{back} tensorrt-fp32.json tensorrt-int8_tensorrt.json" in found.text


def test_where_nothing_is_open_nothing_is_asked() -> None:
    full = certificate()
    filled = dataclasses.replace(full, rows=tuple(r for r in full.rows if r.status != "pending"))
    found = page(certificate=filled)
    assert "Still open" not in [title for _, title in found.headings]
    assert "0 of 5" in found.text


def test_layers_are_named_worst_first_and_what_stayed_float() -> None:
    text = page().text
    first, second = text.index(LAYER.format(0)), text.index(LAYER.format(1))
    assert first < second
    assert "9 of 64" in text
    assert "Not needed for int8_tensorrt" in text
    plain = dataclasses.replace(planned(), precisions=(precision("int8_cpu", "chosen", "fast"),))
    assert "Not measured: that is done where INT8 changes more decisions" in page(plan=plain).text


def test_islands_have_reasons() -> None:
    text = page().text
    assert "61 nodes in FP16, 3 in FP32, of these 1" in text
    assert "an activation came near 65,504" in text
    none = precision("fp16", "kept", "as fast", made={**FP16_MADE, "islands": []})
    without = dataclasses.replace(planned(), precisions=(none,))
    assert "61 nodes in FP16, 0 in FP32" in page(plan=without).text


def test_calibration_is_counted_and_hashed() -> None:
    text = page().text
    assert digest_of("calibration") in text
    assert "128, of the training split alone" in text
    assert "2.00 %" in text


def test_a_refused_export_says_so_and_offers_no_next_step() -> None:
    found = page(gate=verdict("accuracy 0.994 is below its floor"))
    assert "Refused by the gate" in found.text
    assert "accuracy 0.994 is below its floor" in found.text
    assert "plumbline-edge verify" not in found.text


@pytest.mark.parametrize("attack", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_names_from_outside_are_text(attack: str) -> None:
    hostile = precision("int8_cpu", "refused", attack, made={"sensitivity": None})
    plan = dataclasses.replace(planned(), precisions=(hostile,))
    found = page(plan=plan, name=attack)
    assert attack in found.text
    assert found.tags["script"] == audit(render_export_report(export_report())).tags["script"]


def test_a_plan_of_an_older_version_has_no_speed_chapter() -> None:
    older: ExportReport = export_report(plan=dataclasses.replace(planned(), timed=()))
    assert "Speed beside FP32" not in [t for _, t in audit(render_export_report(older)).headings]
