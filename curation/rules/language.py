"""Which language a text is in, roughly: by script, or by a language's frequent words."""

from __future__ import annotations

import polars as pl

SCRIPTS = {
    "Japanese": r"[\u3040-\u30ff]",
    "Chinese": r"[\u4e00-\u9fff]",
    "Korean": r"[\uac00-\ud7af]",
    "Cyrillic": r"\p{Cyrillic}",
    "Greek": r"\p{Greek}",
    "Arabic": r"\p{Arabic}",
    "Hebrew": r"\p{Hebrew}",
    "Devanagari": r"\p{Devanagari}",
    "Thai": r"\p{Thai}",
}
WORDS = {
    "English": "the and of to that with you are this for was have not it is",
    "German": "der die und das nicht ist ein eine mit auf für den sich von dem",
    "French": "le la les des est et une dans que pour pas qui sur vous",
    "Spanish": "el los las una que por con para del como más pero es y en",
    "Portuguese": "os uma que não para com por mais como do da em é",
    "Italian": "il che di una per non con sono della del gli è",
    "Dutch": "het een van de niet zijn voor dat ook met op",
    "Swedish": "och att det som är inte en för med på av",
    "Polish": "nie się jest że na do w to z i jak",
    "Turkish": "bir ve bu için ile da de çok olarak",
}
SAMPLE, BEGINNING, SHORTEST, MAJORITY, FEWEST = 2000, 300, 40, 0.8, 20
TELLING, LEAD = 3, 2

TEXT = pl.col("text")


def _frequent(*words: str) -> str:
    return rf"(?i)\b({'|'.join(' '.join(words).split())})\b"


FREQUENT = {name: _frequent(words) for name, words in WORDS.items()}


def languages(texts: pl.Series) -> pl.Series:
    """The name of each text's language or script, null where neither is clear.

    A script is clear when it has half of the letters; kana make a text Japanese from a tenth on, because most
    of it is Chinese characters. A language is clear with three frequent words, twice as many as any other.
    """
    patterns = SCRIPTS | FREQUENT | {"letters": r"\p{L}"}
    counts = texts.to_frame("text").select(
        TEXT.str.count_matches(pattern).alias(name) for name, pattern in patterns.items()
    )
    enough = {name: pl.col(name) * (10 if name == "Japanese" else 2) > pl.col("letters") for name in SCRIPTS}
    best = pl.max_horizontal(list(FREQUENT))
    second = pl.concat_list(list(FREQUENT)).list.sort(descending=True).list.get(1)
    clear = (best >= TELLING) & (best >= LEAD * second)
    enough |= {name: clear & (pl.col(name) == best) for name in FREQUENT}
    name = pl.coalesce(pl.when(holds).then(pl.lit(name)) for name, holds in enough.items())
    return counts.select(name=name)["name"]


def other_language(texts: pl.DataFrame) -> pl.DataFrame:
    """Rows in another language than the majority's.

    Args:
        texts: Columns `row` and `text`.

    Returns:
        Columns `row` and `detail`; none where no language has the majority of a sample.
    """
    texts = texts.filter(TEXT.str.len_chars() >= SHORTEST).with_columns(TEXT.str.head(BEGINNING))
    known = languages(texts["text"].gather_every(max(1, texts.height // SAMPLE))).drop_nulls()
    if known.len() < FEWEST or known.value_counts(sort=True)["count"][0] < MAJORITY * known.len():
        return pl.DataFrame(schema={"row": pl.UInt32, "detail": pl.String})
    usual = known.value_counts(sort=True)["name"][0]
    others = _frequent(*(words for name, words in WORDS.items() if name != usual))
    foreign = (TEXT.str.len_bytes() != TEXT.str.len_chars()) | (TEXT.str.count_matches(others) >= TELLING)
    suspects = texts.filter(~TEXT.str.contains((SCRIPTS | FREQUENT)[usual])).filter(foreign)
    suspects = suspects.with_columns(languages(suspects["text"]).alias("name")).filter(
        pl.col("name") != usual
    )
    return suspects.select("row", detail=pl.format("{}, where most rows are in {}", "name", pl.lit(usual)))
