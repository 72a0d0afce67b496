"""The values that an application gets from packaging."""

from packaging import markers, tags, utils
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

VERSIONS = ("1.0", "1.0.post1", "1.1a1", "1.0+local", "2!0.1", "1.10", "1.9")
REQUIREMENTS = ("a>=1", "b[c,d]~=2.0; python_version<'3'", "e @ https://e.org/e.zip", "f>=", "-")


def attempt(text):
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        return str(error)
    return [str(requirement), repr(requirement), sorted(requirement.extras)]


def result():
    wanted = SpecifierSet(">=1.0,!=1.9,<2")
    return {
        "sorted": [str(each) for each in sorted(map(Version, VERSIONS))],
        "contains": [wanted.contains(each) for each in VERSIONS],
        "prereleases": list(map(str, wanted.filter(VERSIONS, prereleases=True))),
        "hash": hash(Version("1.0")) == hash(Version("1.0.0")),
        "requirements": list(map(attempt, REQUIREMENTS)),
        "marker": markers.Marker("extra == 'x' and os_name == 'y'").evaluate({"extra": "x"}),
        "wheel": [
            str(each) for each in utils.parse_wheel_filename("foo_bar-1.0-1-py3-none-any.whl")[:3]
        ],
        "tags": [str(each) for each in tags.sys_tags()][:20],
        "name": utils.canonicalize_name("A.B_c"),
    }
