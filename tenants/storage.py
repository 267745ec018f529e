"""Files. Each company has a folder of its own, named by its schema."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings
from django.core.files.storage import FileSystemStorage

from tenants.context import current_schema


class CompanyFileStorage(FileSystemStorage):
    """Local files below MEDIA_ROOT/<schema>, worked out at each access.

    Every use without a company raises NoCompanyError. Files have no public URL: a view
    that knows who asks hands them out.
    """

    # FileSystemStorage caches both for the life of the process; a company lasts one request.
    @property
    def base_location(self) -> str:
        return os.fspath(Path(settings.MEDIA_ROOT) / current_schema())

    @property
    def location(self) -> str:
        return os.path.abspath(self.base_location)

    def url(self, name: str | None) -> str:
        raise NotImplementedError(f"{name!r} has no public URL; serve it from a view")
