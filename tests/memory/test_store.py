import os

import pytest
import torch

from sqlft.inference import LocalModel
from sqlft.inference.load import load_base
from sqlft.memory import load_memory, save_memory
from sqlft.memory.bank import Rows
from sqlft.memory.store import map_rows, write_rows
from sqlft.problems import WrongUse
from sqlft.recipe import Model as ModelSection
from tests.memory.conftest import ANSWERS, ask, learn, make_facts
from tests.tiny import make_tiny

QUESTIONS = [f"Tell me {name}'s code." for name in ANSWERS]


def test_what_is_saved_is_loaded_by_one_call_and_recalls_the_same(knowing, base, tmp_path):
    save_memory(knowing.memory, knowing, tmp_path)
    fresh = LocalModel(base)
    memory = load_memory(fresh, tmp_path)
    assert ask(fresh, QUESTIONS) == list(ANSWERS.values())
    assert (list(memory.facts), memory.exact) == (list(ANSWERS), set(ANSWERS))
    memory.delete(["Quill"])
    save_memory(memory, fresh, tmp_path)
    assert sorted(load_memory(LocalModel(base), tmp_path).facts) == sorted(set(ANSWERS) - {"Quill"})
    assert len(list(tmp_path.glob("*.safetensors"))) == 1


def test_others_read_the_file_as_safetensors(knowing, tmp_path):
    from safetensors.torch import load_file

    save_memory(knowing.memory, knowing, tmp_path)
    held = load_file(next(tmp_path.glob("*.safetensors")))
    assert held["ids"].tolist() == knowing.memory.rows.numbers
    assert torch.equal(held["experts"], knowing.memory.rows.read(held["ids"].tolist()))


def test_a_half_written_save_leaves_the_memory_of_before(knowing, base, tmp_path, monkeypatch):
    save_memory(knowing.memory, knowing, tmp_path)
    knowing.memory.delete(["Quill"])

    def stop(*_given):
        raise OSError("no space left")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch, pytest.raises(OSError):
            patch.setattr(os, name, stop)
            patch.setattr("pathlib.Path.replace", stop)
            save_memory(knowing.memory, knowing, tmp_path)
        fresh = LocalModel(base)
        load_memory(fresh, tmp_path)
        assert ask(fresh, QUESTIONS) == list(ANSWERS.values())


def test_another_base_and_an_adapter_that_is_missing_are_refused(knowing, base, tmp_path):
    save_memory(knowing.memory, knowing, tmp_path / "memory")
    other = make_tiny(tmp_path / "other", seed=1, hidden=64)
    wider = LocalModel(load_base(ModelSection(base=str(other), quantization="none", dtype="float32"), str(other)))
    with pytest.raises(WrongUse, match="other weights"):
        load_memory(wider, tmp_path / "memory")
    text = (tmp_path / "memory" / "memory.json").read_text()
    (tmp_path / "memory" / "memory.json").write_text(text.replace('"adapter_sha256":""', '"adapter_sha256":"ab"'))
    with pytest.raises(WrongUse, match="adapter that is not loaded"):
        load_memory(LocalModel(base), tmp_path / "memory")


def test_a_folder_without_a_memory_and_one_that_is_damaged_are_said_so(knowing, base, tmp_path):
    with pytest.raises(WrongUse, match=r"no memory\.json"):
        load_memory(LocalModel(base), tmp_path)
    save_memory(knowing.memory, knowing, tmp_path)
    next(tmp_path.glob("*.safetensors")).write_bytes(b"short")
    with pytest.raises(WrongUse, match="missing or cut"):
        load_memory(LocalModel(base), tmp_path)
    (tmp_path / "memory.json").write_text("{")
    with pytest.raises(WrongUse, match="not what"):
        load_memory(LocalModel(base), tmp_path)


def test_a_memory_of_another_format_is_refused(knowing, base, tmp_path):
    save_memory(knowing.memory, knowing, tmp_path)
    text = (tmp_path / "memory.json").read_text()
    assert '"format":2,' in text
    for other in ("", '"format":1,'):
        (tmp_path / "memory.json").write_text(text.replace('"format":2,', other))
        with pytest.raises(WrongUse, match="not what"):
            load_memory(LocalModel(base), tmp_path)


def test_a_mapped_bank_reads_only_the_rows_that_are_asked_for(tmp_path):
    rows = Rows((1, 2, 1, 4))
    rows.write(range(0, 9000, 3), torch.arange(3000.0)[:, None, None, None, None].expand(-1, 1, 2, 1, 4))
    write_rows(rows, tmp_path / "bank")
    mapped = map_rows(rows.shape, tmp_path / "bank")
    assert mapped.read([8997, 3])[:, 0, 0, 0, 0].tolist() == [2999.0, 1.0]
    assert mapped.read([4])[:, 0, 1].abs().max() == 0  # never written: it adds nothing
    assert type(mapped.values).__name__ == "memmap"


def test_rows_that_are_dropped_from_a_mapped_bank_are_gone_and_it_stays_mapped(tmp_path):
    rows = Rows((1, 2, 1, 4))
    rows.write(range(10), torch.arange(10.0)[:, None, None, None, None].expand(-1, 1, 2, 1, 4))
    write_rows(rows, tmp_path / "bank")
    mapped = map_rows(rows.shape, tmp_path / "bank")
    mapped.drop([2, 7, 99])
    assert mapped.numbers == [0, 1, 3, 4, 5, 6, 8, 9]
    assert mapped.read([9, 3])[:, 0, 1, 0, 0].tolist() == [9.0, 3.0]
    assert mapped.read([7])[:, 0, 1].abs().max() == 0
    assert type(mapped.values).__name__ == "memmap"
    write_rows(mapped, tmp_path / "again")
    assert map_rows(rows.shape, tmp_path / "again").read([9, 3])[:, 0, 1, 0, 0].tolist() == [9.0, 3.0]


def test_a_memory_beside_an_adapter_belongs_to_it(base, tmp_path):
    from tests.inference.test_local import make_adapter

    adapter = make_adapter(base.folder, tmp_path / "adapter")
    model = LocalModel(base)
    model.add_adapter(adapter, "one")
    model.memory, learned = learn(model, make_facts(), adapter="one")
    model.beside = "one"
    assert learned.unlearned == {}
    assert ask(model, QUESTIONS, adapter="one") == list(ANSWERS.values())
    save_memory(model.memory, model, tmp_path / "memory", "one")
    model.beside = None
    load_memory(model, tmp_path / "memory")
    assert ask(model, QUESTIONS, adapter="one") == list(ANSWERS.values())
    with pytest.raises(WrongUse, match="it was made beside one"):
        ask(model, QUESTIONS)


def test_a_base_of_another_quantization_is_refused(knowing, base, tmp_path):
    save_memory(knowing.memory, knowing, tmp_path)
    text = (tmp_path / "memory.json").read_text()
    (tmp_path / "memory.json").write_text(text.replace('"quantization":"none"', '"quantization":"nf4"'))
    with pytest.raises(WrongUse, match="made at quantization nf4, and the base is loaded at none"):
        load_memory(LocalModel(base), tmp_path)
