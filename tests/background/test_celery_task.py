"""A worker keeps a task of a former generation for ever, and the task runs the current code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.interpreter import python

if TYPE_CHECKING:
    from pathlib import Path

APP = """
    import celery, os, sys, textwrap, threading, transfuse
    os.makedirs("shop", exist_ok=True)

    def write(name, text):
        with open(f"shop/{name}.py", "w") as out:
            out.write(textwrap.dedent(text))

    write("__init__", "")
    write("app", '''
    from celery import Celery
    app = Celery("shop", task_cls="transfuse.frameworks.celery:Task")
    ''')
    TASKS = '''
    from celery import shared_task
    from shop.app import app
    from shop.prices import price

    class Unlucky(Exception):
        pass

    @app.task
    def total(count):
        return count * price()

    @shared_task(bind=True)
    def mine(self):
        return self.name, price()

    @app.task(autoretry_for=[Unlucky], max_retries=1)
    def lucky():
        raise Unlucky(price())

    from shop.base import Base

    class Plain(Base):
        name = "plain"

    plain = app.register_task(Plain())
    '''
    write("base", '''
    from shop.app import app
    from shop.prices import price

    class Base(app.Task):
        abstract = True
        def run(self):
            return price()
    ''')
    write("prices", "def price(): return 1")
    write("tasks", TASKS)
    transfuse.install(roots=[os.getcwd()], watch=False)
    import shop.tasks
    # As a worker does: the application as it is now, for ever.
    worker = shop.tasks.app
    worker.finalize()
    worker.set_default()

    def edit(name, text):
        write(name, text)
        return transfuse.update().outcome
    """


def test_it_runs_the_code_of_the_current_generation(tmp_path: Path) -> None:
    told = python(
        tmp_path,
        APP,
        """
        total, mine = worker.tasks["shop.tasks.total"], worker.tasks["shop.tasks.mine"]
        print(total(2), *mine())
        print(edit("prices", "def price(): return 5"), total(2), *mine())
        print(edit("tasks", TASKS.replace("count *", "100 + count *")), total(2), *mine())
        print(edit("tasks", "1 / 0"), total(2), *mine())
        transfuse.rollback()
        print(total(2), total.app is worker)
        """,
    )
    assert told == [
        "2 shop.tasks.mine 1",
        "published 10 shop.tasks.mine 5",
        "published 110 shop.tasks.mine 5",
        "refused 110 shop.tasks.mine 5",
        "10 True",
    ]


def test_each_execution_is_a_unit_of_work(tmp_path: Path) -> None:
    told = python(
        tmp_path,
        APP,
        """
        write("prices", '''
        import threading
        reached, go = threading.Event(), threading.Event()
        def price():
            reached.set()
            assert go.wait(20)
            from shop import rates
            return rates.RATE
        ''')
        edit("rates", "RATE = 1")
        prices = transfuse.import_module("shop.prices")
        answers = []
        task = worker.tasks["shop.tasks.total"]
        thread = threading.Thread(target=lambda: answers.append(task.apply([1], task_id="7").get()))
        thread.start()
        assert prices.reached.wait(20)
        edit("rates", "RATE = 2")
        print([unit.what for unit in transfuse.status().units])
        prices.go.set()
        thread.join()
        print(answers, transfuse.status().draining)
        """,
    )
    assert told == ["['task shop.tasks.total 7']", "[1] ()"]


def test_it_is_tried_again_as_the_new_code_says(tmp_path: Path) -> None:
    """The class that `autoretry_for` names is another one in each generation."""
    told = python(
        tmp_path,
        APP,
        """
        edit("prices", "def price(): return 5")
        answer = worker.tasks["shop.tasks.lucky"].apply()
        print(answer.state, type(answer.result).__name__, answer.result)
        """,
    )
    assert told == ["FAILURE Unlucky 5"]


def test_p6_what_is_gone_or_cannot_be_followed_is_refused(tmp_path: Path) -> None:
    told = python(
        tmp_path,
        APP,
        """
        names = ["shop.tasks.total", "plain"]
        print(*(type(worker.tasks[name].apply([1][:name != "plain"]).result).__name__
                for name in names))
        edit("tasks", TASKS.replace("def total", "def sum_of"))
        edit("prices", "def price(): return 2")
        print(*(type(worker.tasks[name].apply([1][:name != "plain"]).result).__name__
                for name in names))
        """,
    )
    assert told == ["int int", "NotRegistered NotRegistered"]


def test_p8_celery_forgets_the_tasks_of_former_generations(tmp_path: Path) -> None:
    told = python(
        tmp_path,
        APP,
        """
        import gc, weakref
        from celery import _state
        noted, seen = len(_state._on_app_finalizers), []
        for number in range(8):
            edit("prices", f"def price(): return {number}")
            assert worker.tasks["shop.tasks.total"](2) == 2 * number
            seen.append(weakref.ref(transfuse.import_module("shop.prices").price))
        edit("prices", "1 / 0")
        gc.collect()
        print(len(_state._on_app_finalizers) - noted, sum(each() is not None for each in seen))
        """,
    )
    # The current one, and three that are kept for a rollback.
    assert told == ["0 4"]


def test_a_worker_that_keeps_plain_tasks_is_told_of(tmp_path: Path) -> None:
    told = python(
        tmp_path,
        APP,
        """
        import logging
        from transfuse.frameworks import plain_tasks

        class Told(logging.Handler):
            def emit(self, record):
                print(record.getMessage())

        logging.getLogger("transfuse").addHandler(Told(logging.WARNING))
        transfuse.on_update(plain_tasks.tell)
        edit("prices", "def price(): return 2")
        # Not in another process than a worker's.
        write("plain", "from celery import Celery\\napp = Celery()\\n"
            "@app.task\\ndef one(): return 1\\n")
        plain = transfuse.import_module("shop.plain").app
        plain.finalize()
        source = open("shop/plain.py").read()
        edit("plain", source + "# one\\n")
        import celery.apps.worker
        edit("prices", "def price(): return 3")
        plain.set_default()
        edit("plain", source)
        """,
    )
    assert told == [
        "the worker keeps the tasks of shop.plain as they were when it began: write"
        ' Celery(..., task_cls="transfuse.frameworks.celery:Task"), and restart the worker'
    ]
