"""A file of the lake is there whole or not at all; what cannot be written is said in one line."""

import os
from pathlib import Path

import pytest

from clickloom.errors import InvalidSetting, ServerUnavailable
from clickloom.lake.places import PART_BYTES, Bucket, Folder, Place, place_of
from tests.lake.s3 import BUCKET, SECRET, serving_s3


def files(folder: Path) -> list[str]:
    return sorted(str(found.relative_to(folder)) for found in folder.rglob("*") if found.is_file())


def write(place: Place, path: str) -> None:
    with place.open(path) as file:
        file.write(b"x")


def break_off(place: Place, path: str, text: bytes) -> None:
    with place.open(path) as file:
        file.write(text)
        raise KeyboardInterrupt


def test_a_file_appears_when_it_is_whole_and_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    place = Folder(tmp_path / "lake")
    for text in (b"one", b"two"):
        with place.open("clicks/hour=1/a") as file:
            file.write(text)
            file.flush()
            assert b"two" not in [found.read_bytes() for found in tmp_path.rglob("a")]
        assert (tmp_path / "lake/clicks/hour=1/a").read_bytes() == text
    assert files(tmp_path) == ["lake/clicks/hour=1/a"]


def test_what_raises_amid_a_file_leaves_the_one_before(tmp_path: Path) -> None:
    place = Folder(tmp_path)
    with place.open("a") as file:
        file.write(b"one")
    with pytest.raises(KeyboardInterrupt):
        break_off(place, "a", b"half")
    assert files(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"one"


def test_what_a_killed_process_left_is_removed_by_the_next_that_writes_the_file(tmp_path: Path) -> None:
    (tmp_path / ".a.x1.part").write_bytes(b"half")
    (tmp_path / ".b.x1.part").write_bytes(b"half")
    with Folder(tmp_path).open("a") as file:
        file.write(b"one")
    assert files(tmp_path) == [".b.x1.part", "a"]


def test_of_two_that_write_the_same_file_one_fails_and_the_file_is_whole(tmp_path: Path) -> None:
    place = Folder(tmp_path)

    def write_twice() -> None:
        with place.open("a") as slow:
            slow.write(b"slow")
            with place.open("a") as fast:
                fast.write(b"fast")

    with pytest.raises(ServerUnavailable, match="cannot be written"):
        write_twice()
    assert (tmp_path / "a").read_bytes() == b"fast"
    assert files(tmp_path) == ["a"]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(ServerUnavailable, match=r"cannot be written: (File exists|Not a directory)"):
        write(Folder(tmp_path / "a"), "b/c")


def test_files_can_be_read_by_whom_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with Folder(tmp_path).open("a"):
            pass
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    "url", ["", "s3://", "ftp://host/x", "s3://key:secret@bucket/x", "file://host/x", "s3://b?x=1"]
)
def test_what_is_no_place_is_refused_without_telling_a_secret(url: str) -> None:
    with pytest.raises(InvalidSetting, match="is no place for files: give a folder, or s3://bucket/prefix") as refused:
        place_of(url)
    assert "secret@" not in str(refused.value)


def test_places_are_known_by_their_url(tmp_path: Path) -> None:
    assert place_of(f"file://{tmp_path}/a%20b").url == place_of(f"{tmp_path}/a b").url == f"{tmp_path}/a b"
    assert isinstance(place_of("s3://bucket/a/b/"), Bucket)
    assert place_of("s3://bucket/a/b/").url == "s3://bucket/a/b"
    assert place_of("s3://bucket").url == "s3://bucket"


async def test_an_object_appears_when_its_upload_is_complete_and_not_if_that_breaks_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving_s3(tmp_path) as s3:
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        place = place_of(f"s3://{BUCKET}/some/where")
        assert place.empty("clicks")
        with place.open("clicks/hour=1/a") as file:
            for _ in range(3):
                file.write(b"x" * PART_BYTES)
            assert s3.names() == []
        assert s3.names() == ["some/where/clicks/hour=1/a"]
        assert not place.empty("clicks")
        with pytest.raises(KeyboardInterrupt):
            break_off(place, "clicks/hour=2/a", b"x" * 3 * PART_BYTES)
        assert s3.names() == ["some/where/clicks/hour=1/a"]


async def test_a_bucket_that_is_not_there_and_a_server_that_is_not_are_said_without_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving_s3(tmp_path, bucket=False) as s3:
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        place = place_of(f"s3://{BUCKET}/x")
        with pytest.raises(ServerUnavailable, match="there is no such bucket; make it"):
            write(place, "a")
    with pytest.raises(ServerUnavailable, match=r"s3://lake/x cannot be reached: .+") as away:
        write(place, "a")
    assert len(str(away.value).splitlines()) == 1
    assert SECRET not in str(away.value)
