"""What people give a job: a name that is one and nothing else, and secrets, which nobody repeats."""

import pytest

from jobs.__main__ import main as jobs_main
from jobs._entry import Settings, flags
from ltv_features.errors import ConfigError
from ltv_features.strict import load
from tests.test_commands import GOOD


@pytest.mark.parametrize(
    "name", ["../x", "..", ".", ".hidden", "/x", "a/b", "a\\b", "a\0b", "a\nb", "a b", "$(x)", "ü", "", "x" * 300]
)
def test_a_run_id_that_could_be_a_path_or_more_than_a_name_is_refused(name, capsys):
    with pytest.raises(SystemExit) as ended:
        flags().parse_args(["--config", "x", "--as-of", "2026-01-01", "--run-id", name])
    assert ended.value.code == 2
    assert "argument --run-id" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["x", "night-2026-01-01_1.2", "x" * 64])
def test_a_run_id_that_is_a_plain_name_is_taken(name):
    given = flags().parse_args(["--config", "x", "--as-of", "2026-01-01", "--run-id", name])
    assert given.run_id == name


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('root = "lake"', 'root = "s3://key:hunter2@bucket/lake"', "lake.root: a password in an address"),
        ('folder = "export"', 'folder = "sftp://me:hunter2@host/x"', "(got 'sftp://...@host/x')"),
        ("[export]", '[tracking]\nuri = "https://me:hunter2@host"\n[export]', "(got 'https://...@host')"),
        ("[export]", '[spark]\nconf.key = 1\nconf."s3a.secret.key" = "hunter2"\n[export]', "spark.conf.key: Input"),
    ],
)
def test_a_password_in_a_configuration_is_not_repeated_by_what_is_said_about_it(
    tmp_path, caplog, capsys, old, new, told
):
    (tmp_path / "shop.toml").write_text(GOOD.replace(old, new, 1))
    assert jobs_main(["land_files", "--config", str(tmp_path / "shop.toml"), "--as-of", "2026-01-01"]) == 2
    said = capsys.readouterr()
    assert told in said.err
    assert "hunter2" not in said.err + said.out + caplog.text


@pytest.mark.parametrize("number", ["inf", "-inf", "nan"])
def test_a_number_without_an_end_is_no_setting(tmp_path, number):
    (tmp_path / "shop.toml").write_text(f"{GOOD}\n[train.networks.lstm]\nlearning_rate = {number}\n")
    with pytest.raises(ConfigError, match="learning_rate: Input should be a finite number"):
        load(tmp_path / "shop.toml", Settings)


def test_what_the_environment_holds_is_never_put_into_a_configuration(tmp_path, monkeypatch):
    monkeypatch.setenv("LTV_CANARY", "hunter2")
    (tmp_path / "shop.toml").write_text(GOOD.replace('"export"', '"$LTV_CANARY/${LTV_CANARY}"'))
    settings = load(tmp_path / "shop.toml", Settings)
    assert settings.export.folder == str(tmp_path / "$LTV_CANARY/${LTV_CANARY}")
