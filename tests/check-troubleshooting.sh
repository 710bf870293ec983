#!/bin/sh
# doc/troubleshooting.md says what the program says: its lists are those of provider/catalogue.c and tool/server_texts.c, word by word.
#
#   tests/check-troubleshooting.sh           compare
#   tests/check-troubleshooting.sh --write   put the lists of the sources into the page
set -eu
top_srcdir=${top_srcdir:-$(cd "${0%/*}/.." && pwd)}
exec python3 -B - "$top_srcdir" "$@" <<'END_OF_PYTHON'
import os
import re
import sys
import textwrap

top, write = sys.argv[1], sys.argv[2:] == ["--write"]
page = os.path.join(top, "doc/troubleshooting.md")
WHO = {"C": "administrator here", "S": "user", "A": "tenant's administrator", "T": "nobody: it passes"}
STRING = r'"(?:[^"\\]|\\.)*"'


def joined(literals):
    """C's adjacent string literals as one text."""
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals)).replace('\\"', '"').replace("\\\\", "\\")


def row(name, meaning, who, remedy):
    return textwrap.fill(f"* **{name}** {meaning} (*{who}*): {remedy}", 118, subsequent_indent="  ", break_on_hyphens=False)


def aadsts():
    source = open(os.path.join(top, "provider/catalogue.c"), encoding="utf-8").read()
    body = source[source.index("rows[] = {"):source.index("\n};")]
    group, lines = None, []
    for match in re.finditer(r"/\* ([^*]+) \*/|\{\s*(\d+), ([CSAT]), ((?:%s\s*)+),\s*((?:%s\s*)+)\}" % (STRING, STRING), body):
        if match.group(1):
            lines += ["", f"### {match.group(1)}", ""]
        else:
            code, who, meaning, remedy = match.groups()[1:]
            lines.append(row(f"AADSTS{code}", joined(meaning), WHO[who], joined(remedy)))
    return lines


SERVER_WHO = {"H": "administrator here", "E": "administrator of Exchange", "A": "tenant's administrator", "U": "user",
              "T": "nobody: it passes"}
PROTOCOLS = {"imap": "IMAP", "pop3": "POP3", "smtp": "SMTP", "challenge": "a challenge before the refusal"}


def expanded(expression, macros):
    """A C expression of string literals and macros as one text."""
    parts = re.findall(r'"(?:[^"\\]|\\.)*"|[A-Z_]+', expression)
    return "".join(joined(part) if part[0] == '"' else macros[part] for part in parts)


def server_texts():
    source = open(os.path.join(top, "tool/server_texts.c"), encoding="utf-8").read().replace("\\\n", " ")
    macros, heading, lines = {}, None, []
    for name, value in re.findall(r"^#define ([A-Z_]+) +(.*)$", source, re.M):
        macros[name] = expanded(value, macros) if '"' in value else value
    body = source[source.index("rows[] = {"):source.index("\n};")]
    body = re.sub(r"/\*.*?\*/", "", body)
    part = r"((?:%s|[A-Z_]+|\s)+)" % STRING
    for protocols, pattern, who, meaning, remedy in re.findall(
            r'\{\s*"([^"]*)",\s*(%s),\s*([HEAUT]),%s,%s,' % (STRING, part, part), body):
        name = ", ".join(PROTOCOLS[word] for word in protocols.split())
        if name != heading:
            lines += ["", f"### {name}", ""]
        heading = name
        shown = joined(pattern).rstrip("*").replace("*", "…")
        remedy = expanded(remedy, macros).replace("{mailbox}", "MAILBOX").replace("{grantee}", "GRANTEE")
        lines.append(row("`" + shown + "`", expanded(meaning, macros), SERVER_WHO[who], remedy))
    return lines


def put(text, name, lines):
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, rest = text.split(begin)
    return before + begin + "\n" + "\n".join(lines) + "\n" + end + rest.split(end)[1]


old = open(page, encoding="utf-8").read()
new = put(put(old, "catalogue.c", aadsts()), "server_texts.c", server_texts())
if new == old:
    print(f"{new.count(chr(10) + '* **')} rows agree")
elif write:
    open(page, "w", encoding="utf-8").write(new)
else:
    for line in sorted(set(new.splitlines()) ^ set(old.splitlines())):
        print("differs:", line)
    sys.exit("doc/troubleshooting.md is not what the sources say: run tests/check-troubleshooting.sh --write")
END_OF_PYTHON
