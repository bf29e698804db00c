//! Every page of the dashboard, by name: one line for each, and the browser judges them all.

/// A page, as an operator or another one asks for it.
pub(super) struct Page {
    pub(super) name: &'static str,
    pub(super) path: String,
    pub(super) who: &'static str,
    pub(super) status: u16,
}

/// The pages; `mail` is a mail that was refused, `held` one that is held.
pub(super) fn pages(mail: i64, held: i64) -> Vec<Page> {
    let page = |name, path: &str| Page {
        name,
        path: path.to_owned(),
        who: "alex",
        status: 200,
    };
    let (retry, cancel) = (
        format!("/outbox/{mail}/retry"),
        format!("/outbox/{held}/cancel"),
    );
    vec![
        page("home", "/"),
        page("tokens", "/tokens"),
        page("tokens-filtered", "/tokens?state=urgent&q=march&tag=prod"),
        page("tokens-none", "/tokens?q=nothing+like+it"),
        page("token", "/tokens/hostile"),
        page("token-long", "/tokens/long"),
        page("token-renewed", "/tokens/t10"),
        page("token-superseded", "/tokens/t11"),
        page("timeline", "/timeline"),
        page("clients", "/clients"),
        page("client", "/clients/c0"),
        page("client-long", "/clients/c1"),
        page("recipients", "/recipients"),
        page("recipient", "/recipients/p7@ville.example"),
        page("outbox", "/outbox"),
        page("outbox-held", "/outbox?state=held"),
        page("mail", &format!("/outbox/{mail}")),
        page("mail-held", &format!("/outbox/{held}")),
        page("journal", "/journal"),
        page("health", "/health"),
        page("act-filed", "/tokens/t20/filed"),
        page("act-filed-again", "/tokens/hostile/filed?do=refused"),
        page(
            "act-renew",
            "/tokens/long/renew?do=renew&expires=2029-06-15",
        ),
        page("act-renew-declared", "/tokens/t15/renew"),
        page("act-snooze", "/tokens/t20/snooze"),
        page("act-revoke", "/tokens/hostile/revoke"),
        page("act-retry", &retry),
        page("act-cancel", &cancel),
        page("act-release", "/outbox/release"),
        page("note", "/tokens/t20?done=filed"),
        Page {
            status: 409,
            ..page(
                "act-refused",
                "/tokens/t20/renew?do=renew&expires=2026-10-12",
            )
        },
        Page {
            status: 422,
            ..page("act-slip", "/tokens/t20/snooze?do=snooze")
        },
        Page {
            status: 404,
            ..page("missing", "/tokens/nosuch/filed")
        },
        Page {
            status: 404,
            ..page("token-missing", "/tokens/nosuch")
        },
        Page {
            who: "nina",
            status: 403,
            ..page("shut", "/tokens/t20/filed")
        },
        Page {
            who: "nina",
            ..page("viewer", "/tokens/t20")
        },
        Page {
            who: "",
            ..page("login", "/login")
        },
    ]
}
