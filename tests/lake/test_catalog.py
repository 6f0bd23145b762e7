"""The catalog: the embedded default, or any that PyIceberg knows."""

import pytest
from pyiceberg.catalog import load_catalog

from keyfold.errors import LakeError
from lake.localfiles import local_path, replace_file
from lake.table import open_catalog
from tests.lake.state import SPEND, settings_for


def test_another_catalog_and_a_nested_namespace_are_settings(house, tmp_path):
    properties = {
        "name": "company",
        "type": "sql",
        "uri": f"sqlite:///{tmp_path}/elsewhere.db",
        "warehouse": f"file://{tmp_path}/bucket",
    }
    lake = house(SPEND, lake_catalog=properties, lake_namespace="team.live")
    lake.state.put("spend", {("al",): (1, 1, 1)})
    lake.state.commit()
    lake.snapshot()
    with load_catalog(**properties) as catalog:
        table = catalog.load_table(("team", "live", "spend"))
        assert table.scan().to_arrow().num_rows == 1
        assert table.location().startswith(f"file://{tmp_path}/bucket/")


def test_a_catalog_that_cannot_be_opened_says_which_setting(tmp_path):
    settings = settings_for(tmp_path, lake_catalog={"type": "sql", "uri": "sqlite:////no/such/d"})
    with pytest.raises(LakeError, match="the lake catalog cannot be opened") as refusal:
        open_catalog(settings)
    assert "lake_catalog" in refusal.value.hint


@pytest.mark.parametrize("name", ["with space", "per%cent", "größe"])
def test_the_data_directory_may_have_any_name(house, tmp_path, name):
    lake = house(SPEND, directory=tmp_path / name)
    lake.snapshot()
    assert local_path(lake.table().location()).is_dir()
    assert str(tmp_path / name) in str(local_path(lake.table().location()))


def test_a_replaced_file_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "file"
    replace_file(path, b"a")
    replace_file(path, b"b")
    assert path.read_bytes() == b"b"
    assert [child.name for child in tmp_path.iterdir()] == ["file"]
