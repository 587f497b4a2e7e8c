import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.errors import BadInput, BadRecord
from codemonkeys.tasks.predictions import Prediction, read_predictions, write_predictions

DIFF = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\r\n+b\u2028\n"


@pytest.mark.parametrize("name", ["preds.json", "preds.jsonl"])
def test_what_is_written_is_read_again_and_by_swebench(tmp_path: Path, name: str) -> None:
    from swebench.harness.utils import get_predictions_from_file

    given = {id: Prediction(id, "mine/1", patch) for id, patch in [("b__b-2", DIFF), ("a__a-1", "")]}
    path = tmp_path / "new folder" / name
    write_predictions(path, given)
    assert read_predictions(path) == given
    rows = get_predictions_from_file(str(path), "none", "test")
    assert [(row["instance_id"], row["model_patch"]) for row in rows] == [("a__a-1", ""), ("b__b-2", DIFF)]
    assert path.read_text().endswith("}\n") and [file.name for file in path.parent.iterdir()] == [name]


@given(patch=st.text())
def test_any_patch_survives(tmp_path_factory: pytest.TempPathFactory, patch: str) -> None:
    path = tmp_path_factory.mktemp("preds") / "preds.jsonl"
    write_predictions(path, {"a": Prediction("a", "m", patch)})
    assert read_predictions(path)["a"].model_patch == patch


def test_a_list_is_read_and_unknown_keys_and_null_patches_are_fine(tmp_path: Path) -> None:
    rows = [{"instance_id": "a", "model_name_or_path": "m", "model_patch": None, "resolved": True}]
    (tmp_path / "preds.json").write_text(json.dumps(rows))
    assert read_predictions(tmp_path / "preds.json") == {"a": Prediction("a", "m", "")}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "preds.jsonl:2, column 2: not JSON"),
        ({"instance_id": "a", "model_name_or_path": "m"}, "preds.jsonl:2: a second prediction for a"),
        ({"instance_id": "../b", "model_name_or_path": "m"}, "cannot be an instance_id"),
        ({"instance_id": "b"}, "model_name_or_path of b is None"),
        ({"instance_id": "b", "model_name_or_path": ".."}, "model_name_or_path of b is '..'"),
        ({"instance_id": "b", "model_name_or_path": "a\nb"}, "model_name_or_path of b is"),
        ({"instance_id": "b", "model_name_or_path": "m", "model_patch": ["x"]}, "model_patch of b is list"),
    ],
)
def test_a_malformed_prediction_is_named_with_its_line(tmp_path: Path, row: Any, said: str) -> None:
    path = tmp_path / "preds.jsonl"
    first = {"instance_id": "a", "model_name_or_path": "m", "model_patch": ""}
    path.write_text(json.dumps(first) + "\n" + (row if isinstance(row, str) else json.dumps(row)))
    with pytest.raises(BadRecord) as error:
        read_predictions(path)
    assert "preds.jsonl:2" in str(error.value) and said in str(error.value)


def test_files_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such predictions file"):
        read_predictions(tmp_path / "none.jsonl")
    with pytest.raises(BadInput, match="choose one of these suffixes"):
        write_predictions(tmp_path / "preds.txt", {})
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot be written"):
        write_predictions(tmp_path / "file" / "preds.json", {})


@pytest.mark.data
def test_real_submissions_are_read(data_dir: Path) -> None:
    read = {path.stem: read_predictions(path) for path in sorted((data_dir / "ensemble/lite").glob("*.jsonl"))}
    assert len(read) == 15 and len(read["CodeR_20240604"]) == 300 and len(read["acr_gpt4_run1"]) == 249
