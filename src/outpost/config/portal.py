"""Settings of the tenants' portal."""

from typing import Annotated, ClassVar

from outpost.config.setting import Key, Section


class PortalSettings(Section, frozen=True, kw_only=True):
    """How the tenants' portal looks and where it lives."""

    title: ClassVar[str] = "Portal"

    proxy_url: Annotated[
        str,
        Key(
            "PORTAL_PROXY_URL", "portal.proxy_url", "Fetch the pages from this server instead.", url=True, ignored=True
        ),
    ] = ""
    referer_url: Annotated[
        str,
        Key(
            "PORTAL_REFERER_URL",
            "portal.referer_url",
            "Where the portal's way back leads: your own pages.",
            ignored=True,
        ),
    ] = ""
    refresh_url: Annotated[
        str,
        Key("PORTAL_REFRESH_URL", "portal.refresh_url", "Where a tenant is sent whose token ran out.", ignored=True),
    ] = ""
    favicon_url: Annotated[
        str, Key("PORTAL_FAVICON_URL", "portal.favicon_url", "Icon of the browser tab.", ignored=True)
    ] = ""
    brand_color: Annotated[
        str,
        Key(
            "PORTAL_BRAND_COLOR",
            "portal.brand_color",
            "Colour of buttons and links, as in `#6122E7`.",
            aliases=("PORTAL_ACCENT_COLOR",),
            yaml_aliases=("portal.accent_color",),
            ignored=True,
        ),
    ] = ""
    logo: Annotated[str, Key("PORTAL_LOGO", "portal.logo", "URL of the logo.", ignored=True)] = ""
    logo_dark: Annotated[
        str, Key("PORTAL_LOGO_DARK", "portal.logo_dark", "URL of the logo on dark ground.", ignored=True)
    ] = ""
    organization_name: Annotated[
        str,
        Key(
            "PORTAL_ORGANIZATION_NAME",
            "portal.org_name",
            "Your name.",
            yaml_aliases=("portal.organization_name",),
            ignored=True,
        ),
    ] = ""
    force_theme: Annotated[
        str,
        Key(
            "PORTAL_FORCE_THEME",
            "portal.force_theme",
            "`light` or `dark`; empty leaves it to the browser.",
            ignored=True,
        ),
    ] = ""
    disable_outpost_branding: Annotated[
        bool,
        Key("PORTAL_DISABLE_OUTPOST_BRANDING", "portal.disable_outpost_branding", "Do not name Outpost.", ignored=True),
    ] = False
    enable_destination_filter: Annotated[
        bool,
        Key(
            "PORTAL_ENABLE_DESTINATION_FILTER",
            "portal.enable_destination_filter",
            "Let tenants edit the filter of a destination.",
            ignored=True,
        ),
    ] = False
    enable_webhook_custom_headers: Annotated[
        bool,
        Key(
            "PORTAL_ENABLE_WEBHOOK_CUSTOM_HEADERS",
            "portal.enable_webhook_custom_headers",
            "Let tenants add headers to a webhook.",
            ignored=True,
        ),
    ] = False
