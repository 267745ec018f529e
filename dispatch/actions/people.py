"""Adding people to a company."""

from __future__ import annotations

from django.db import transaction

from dispatch.models import Customer, Technician, User


def create_user(*, email: str, password: str, name: str, role: str) -> User:
    """Create someone who may sign in. `role` is one of User.Role.

    Raises:
        ValidationError: a field is wrong, or the e-mail address is taken in this company.
    """
    user = User(email=User.objects.normalize_email(email).lower(), name=name, role=role)
    user.set_password(password)
    user.full_clean()
    user.save()
    return user


@transaction.atomic
def create_technician(
    *, email: str, password: str, name: str, color: str, phone: str = ""
) -> Technician:
    """Create a technician together with the account that their phone signs in with.

    Raises:
        ValidationError: a field is wrong, or the e-mail address is taken in this company.
    """
    user = create_user(email=email, password=password, name=name, role=User.Role.TECHNICIAN)
    technician = Technician(user=user, name=name, color=color, phone=phone)
    technician.full_clean()
    technician.save()
    return technician


def create_customer(*, name: str, phone: str, address: str, lat: float, lon: float) -> Customer:
    """Create a customer at one address. `lat` and `lon` in degrees, WGS 84.

    Raises:
        ValidationError: a field is wrong.
    """
    customer = Customer(name=name, phone=phone, address=address, lat=lat, lon=lon)
    customer.full_clean()
    customer.save()
    return customer
