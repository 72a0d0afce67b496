"""I Hate Money with one project in SQLite."""

import base64
import os

from ihatemoney.run import create_app


class Configuration:
    SECRET_KEY = "not a secret"
    SQLALCHEMY_DATABASE_URI = f"sqlite:///{os.environ['APP_DATA']}/money.db"


def prepare():
    client = application.test_client()
    project = {"name": "trip", "id": "trip", "password": "trip", "default_currency": "XXX"}
    answer = client.post("/api/projects", data={**project, "contact_email": "a@example.com"})
    assert answer.status_code == 201, answer.text
    signed = {"Authorization": f"Basic {base64.b64encode(b'trip:trip').decode()}"}
    for name in ("ann", "bob"):
        member = client.post("/api/projects/trip/members", data={"name": name}, headers=signed)
        assert member.status_code == 201, member.text
    bill = {"date": "2026-01-01", "what": "lunch", "payer": 1, "payed_for": [1, 2], "amount": 20}
    bill |= {"bill_type": "Expense", "original_currency": "XXX"}
    answer = client.post("/api/projects/trip/bills", data=bill, headers=signed)
    assert answer.status_code == 201, answer.text


application = create_app(Configuration, instance_path=os.environ["APP_DATA"])

if __name__ == "__main__":
    prepare()
