"""Libraries that look classes up by name: pydantic, attrs, SQLAlchemy, in both generations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.two_generations import each_finds_its_own

if TYPE_CHECKING:
    from conftest import LiveTree

pytest.importorskip("pydantic")
pytest.importorskip("attrs")
pytest.importorskip("sqlalchemy")

PYDANTIC = {
    "models/__init__.py": "from models.pot import Pot\n",
    "models/tea.py": """
        from __future__ import annotations
        from pydantic import BaseModel
        class Tea(BaseModel):
            price: int = @
            blend: Blend | None = None
        class Blend(BaseModel):
            of: list[Tea]
            count: int = @
        """,
    "models/pot.py": """
        from __future__ import annotations
        import typing
        from pydantic import BaseModel, TypeAdapter, field_validator
        class Pot(BaseModel):
            tea: "Tea"
            lid: Lid | None = None
            @field_validator("tea")
            @classmethod
            def check(cls, tea): return tea if tea.price else None
        class Lid(BaseModel):
            size: int = @
        from models.tea import Tea
        Pot.model_rebuild()
        adapter = TypeAdapter(typing.List[Pot])
        """,
    "web.py": """
        import models, pickle
        from models.tea import Blend, Tea
        from models.pot import adapter
        def ask():
            pot = models.Pot.model_validate({"tea": {}, "lid": {}})
            again = pickle.loads(pickle.dumps(pot))
            assert type(again) is models.Pot and type(pot.tea) is Tea
            blend = Blend(of=[Tea(), {"blend": {"of": []}}])
            return [pot.tea.price, pot.lid.size, again.tea.price, blend.count, blend.of[1].price,
                    blend.of[1].blend.count, adapter.validate_python([{"tea": {}}])[0].tea.price,
                    models.Pot.model_json_schema()["$defs"]["Lid"]["properties"]["size"]["default"]]
        """,
}
ATTRS = {
    "base.py": """
        from __future__ import annotations
        import attr, attrs, typing
        @attrs.define
        class Tea:
            price: int = @
            other: Tea | None = None
            known: typing.ClassVar[int] = @
        @attr.s(auto_attribs=True, frozen=True, slots=True)
        class Cup:
            tea: "Tea" = attr.ib(factory=Tea)
            def which(self): return __class__.__name__ and self.tea.price
        """,
    "web.py": """
        import attrs, copy, pickle
        from base import Cup, Tea
        @attrs.define
        class Mug(Cup):
            size: int = @
            def which(self): return super().which()
        def ask():
            attrs.resolve_types(Tea)
            mug = pickle.loads(pickle.dumps(Mug()))
            assert type(mug) is Mug and type(mug.tea) is Tea and mug == copy.deepcopy(mug)
            return [mug.which(), mug.size, attrs.asdict(mug)["tea"]["price"], Tea.known,
                    attrs.evolve(mug, size=@).size, attrs.fields(Tea).price.default]
        """,
}
ALCHEMY = {
    "db/__init__.py": "from db.base import Base\n",
    "db/base.py": """
        from sqlalchemy.orm import DeclarativeBase
        class Base(DeclarativeBase):
            WHICH = @
        """,
    "db/tea.py": """
        from __future__ import annotations
        from typing import List
        from sqlalchemy import ForeignKey
        from sqlalchemy.orm import Mapped, mapped_column, relationship
        from db.base import Base
        class Tea(Base):
            __tablename__ = "tea"
            id: Mapped[int] = mapped_column(primary_key=True)
            price: Mapped[int] = mapped_column(default=@)
            pots: Mapped[List["Pot"]] = relationship(back_populates="tea")
        """,
    "db/pot.py": """
        from __future__ import annotations
        from sqlalchemy import ForeignKey
        from sqlalchemy.orm import Mapped, mapped_column, relationship
        from db.base import Base
        class Pot(Base):
            __tablename__ = "pot"
            id: Mapped[int] = mapped_column(primary_key=True)
            size: Mapped[int] = mapped_column(default=@)
            tea_id: Mapped[int] = mapped_column(ForeignKey("tea.id"))
            tea: Mapped["Tea"] = relationship(back_populates="pots")
        """,
    "web.py": """
        from sqlalchemy import create_engine, select
        from sqlalchemy.orm import Session
        from db import Base
        from db.tea import Tea
        from db.pot import Pot
        def ask():
            engine = create_engine("sqlite://")
            Base.metadata.create_all(engine)
            with Session(engine) as session:
                session.add(Pot(tea=Tea()))
                session.commit()
                pot = session.scalars(select(Pot).join(Pot.tea)).one()
                found = [pot.size, pot.tea.price, pot.tea.pots[0].size, type(pot).WHICH]
                assert type(pot) is Pot and type(pot.tea) is Tea
            engine.dispose()
            assert sorted(Base.metadata.tables) == ["pot", "tea"]
            return found
        # @
        """,
}


@pytest.mark.parametrize(
    "files", [PYDANTIC, ATTRS, ALCHEMY], ids=["pydantic", "attrs", "sqlalchemy"]
)
def test_p2_models_find_their_own(tree: LiveTree, policy: str, files: dict[str, str]) -> None:
    each_finds_its_own(tree, files, policy=policy)


@pytest.mark.parametrize("changed", ["db/tea.py", "db/pot.py", "db/base.py"])
def test_p2_one_file_of_declarative_models_changes(tree: LiveTree, changed: str) -> None:
    files = {
        name: text if name in (changed, "web.py") else text.replace("@", "0")
        for name, text in ALCHEMY.items()
    }
    asked = {"db/tea.py": "found[1]", "db/pot.py": "found[0]", "db/base.py": "found[3]"}[changed]
    files["web.py"] = files["web.py"].replace("return found", f"return [{asked}]")
    each_finds_its_own(tree, files)
