"""What a reminder script does: it asks SQLite what is due, sends each mail on one SMTP connection,
and commits after each. It makes its own database and prints the seconds from the first question
until the last commit.

    script.py DATABASE WORDS PORT MAILS     WORDS: a directory with the files `text` and `html`
"""

import pathlib
import smtplib
import sqlite3
import sys
import time
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

database, words, port, mails = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
text, html = ((words / name).read_text() for name in ("text", "html"))

db = sqlite3.connect(database, isolation_level=None)
db.execute("PRAGMA journal_mode = WAL")
db.execute("PRAGMA synchronous = FULL")
db.execute("CREATE TABLE token (no INTEGER PRIMARY KEY, name TEXT, address TEXT, sent_at REAL)")
db.execute("BEGIN")
db.executemany(
    "INSERT INTO token (no, name, address) VALUES (?, ?, ?)",
    ((n, f"Jeton {n}", f"personne.{n}@agence-{n % 97}.example") for n in range(mails)),
)
db.execute("COMMIT")

began = time.perf_counter()
due = db.execute("SELECT no, name, address FROM token WHERE sent_at IS NULL").fetchall()
with smtplib.SMTP("127.0.0.1", port) as smtp:
    for no, name, address in due:
        mail = EmailMessage()
        mail["From"] = "Veille des jetons <jetons@ville.example>"
        mail["To"] = address
        mail["Subject"] = f"Le jeton {name} expire bientôt"
        mail["Date"] = formatdate()
        mail["Message-ID"] = make_msgid(domain="ville.example")
        mail.set_content(text.replace("{name}", name))
        mail.add_alternative(html.replace("{name}", name), subtype="html")
        smtp.send_message(mail)
        db.execute("UPDATE token SET sent_at = ? WHERE no = ?", (time.time(), no))
    took = time.perf_counter() - began
assert db.execute("SELECT count(*) FROM token WHERE sent_at IS NOT NULL").fetchone() == (mails,)
print(took)
