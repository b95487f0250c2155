"""The multipart form of an upload, read as it comes: nothing is gathered, nothing touches a disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from parcela.options import LabelOptions, PredictOptions
from parcela_gateway.problem import Refused

FIELD = "file"
OPTIONS = {
    name
    for options in (PredictOptions, LabelOptions)
    for name in (*options.model_fields, *options.model_json_schema()["properties"])
}
OTHER_BYTES = 64 * 1024  # of all other fields, which are read over


class BadForm(Refused):
    """The body is not a multipart form with one file in the field ``file``."""

    slug = "bad-form"


class WrongBody(BadForm):
    """The body is not multipart at all."""

    status = 415
    slug = "unsupported-media-type"


class Form:
    """Picks the bytes of the field ``file`` out of a form, chunk by chunk; its file name is dropped unread."""

    def __init__(self, content_type: str | None) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise WrongBody(
                f"send the scan as multipart/form-data in the field {FIELD!r}: curl -F {FIELD}=@scan.nii.gz"
            )
        self._pieces: list[bytes] = []
        self._header, self._value = b"", b""
        self._disposition = b""
        self._files, self._others = 0, 0
        self._wanted, self._ended = False, False
        callbacks: Any = {
            "on_part_begin": self._part_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise BadForm(f"the form's boundary is not usable ({error})") from error

    def feed(self, chunk: bytes) -> list[bytes]:
        """The pieces of the file that a chunk of the body holds.

        Raises:
            BadForm: it is no such form.
        """
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise BadForm(f"the multipart form is damaged ({error}): send it again") from error
        pieces, self._pieces = self._pieces, []
        return pieces

    def finish(self) -> None:
        """The body has ended; raises BadForm when the form has not, or had no file."""
        if not self._ended:
            raise BadForm("the multipart form ends before its last boundary: send it again")
        if not self._files:
            raise BadForm(f"the form has no field {FIELD!r}: curl -F {FIELD}=@scan.nii.gz")

    def _part_begin(self) -> None:
        self._wanted, self._disposition = False, b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("latin-1")
        self._wanted = name == FIELD
        if not self._wanted:
            _check_other(name, has_file=bool(options.get(b"filename")))
        self._files += self._wanted
        if self._files > 1:
            raise BadForm(f"the form has several fields {FIELD!r}: send one scan a job")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._wanted:
            self._pieces.append(data[start:end])
            return
        self._others += end - start
        if self._others > OTHER_BYTES:
            raise BadForm(
                f"the form holds more than the field {FIELD!r}: options belong in the query"
            )

    def _end(self) -> None:
        self._ended = True


def _check_other(name: str, *, has_file: bool) -> None:
    """Refuse a field that would be dropped in silence, though something hangs on it. Its name may be a person's."""
    option = name.strip().lower().replace("-", "_")
    if option in OPTIONS:
        raise BadForm(
            f"{option} came as a field of the form, where it would count for nothing: options belong in the query: "
            f"?{option}=…"
        )
    if has_file:
        raise BadForm(
            f"a file came in another field than {FIELD!r}, which is the scan's: curl -F {FIELD}=@scan.nii.gz"
        )


async def file_pieces(form: Form, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The bytes of the uploaded file, as they come.

    Raises:
        BadForm: the body is no such form. And what ``chunks`` raises.
    """
    async for chunk in chunks:
        for piece in form.feed(chunk):
            yield piece
    form.finish()
