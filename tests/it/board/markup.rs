//! Pages read as a browser reads them, by html5ever: every error of the standard's parser
//! counts, and so does what the dashboard forbids itself.

use std::collections::HashSet;
use std::rc::Rc;

use html5ever::tendril::TendrilSink as _;
use html5ever::{ParseOpts, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// A page that was read.
pub(crate) struct Page {
    dom: RcDom,
}

/// An element, with what it has around it.
#[derive(Clone)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    node: Handle,
}

impl Element {
    fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.attributes.iter().find(|(n, _)| n == name)?;
        Some(value)
    }
}

impl Page {
    pub(crate) fn read(html: &str) -> Self {
        let options = ParseOpts {
            tree_builder: html5ever::tree_builder::TreeBuilderOpts {
                exact_errors: true,
                ..Default::default()
            },
            tokenizer: html5ever::tokenizer::TokenizerOpts {
                exact_errors: true,
                ..Default::default()
            },
        };
        Self {
            dom: parse_document(RcDom::default(), options).one(html),
        }
    }

    fn elements(&self) -> Vec<Element> {
        let (mut found, mut pending) = (Vec::new(), vec![self.dom.document.clone()]);
        while let Some(node) = pending.pop() {
            if let NodeData::Element { name, attrs, .. } = &node.data {
                let attributes = attrs.borrow();
                found.push(Element {
                    name: name.local.to_string(),
                    attributes: attributes
                        .iter()
                        .map(|a| (a.name.local.to_string(), a.value.to_string()))
                        .collect(),
                    node: node.clone(),
                });
            }
            pending.extend(node.children.borrow().iter().rev().cloned());
        }
        found
    }

    /// What is wrong with it.
    pub(crate) fn faults(&self) -> Vec<String> {
        let errors = self.dom.errors.borrow();
        let mut faults: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let elements = self.elements();
        let mut ids = HashSet::new();
        for e in &elements {
            if let Some(id) = e.get("id")
                && !ids.insert(id)
            {
                faults.push(format!("the id {id} twice"));
            }
        }
        let named = |e: &Element| {
            ["aria-label", "aria-labelledby", "title"]
                .iter()
                .any(|a| e.get(a).is_some_and(|v| !v.trim().is_empty()))
        };
        let labelled: HashSet<&str> = elements
            .iter()
            .filter(|e| e.name == "label")
            .filter_map(|e| e.get("for"))
            .collect();
        // Of a drawing within a drawing the outer one has the name.
        let inner: HashSet<*const markup5ever_rcdom::Node> = elements
            .iter()
            .filter(|e| e.name == "svg")
            .flat_map(|e| Self::below(&e.node).into_iter().skip(1))
            .map(|e| Rc::as_ptr(&e.node))
            .collect();
        for e in &elements {
            let is_hidden = e.get("aria-hidden") == Some("true");
            if e.attributes
                .iter()
                .any(|(n, _)| n == "style" || n.starts_with("on"))
            {
                faults.push(format!("<{}> with a style or a script of its own", e.name));
            }
            for refer in [
                "aria-describedby",
                "aria-labelledby",
                "for",
                "aria-controls",
            ] {
                for id in e.get(refer).unwrap_or_default().split_whitespace() {
                    if !ids.contains(id) {
                        faults.push(format!("<{}> refers to {id}, which is not there", e.name));
                    }
                }
            }
            match e.name.as_str() {
                "script" | "style" | "iframe" | "object" | "embed" => {
                    faults.push(format!("<{}>", e.name));
                }
                "img" if e.get("alt").is_none() => faults.push("an image without alt".to_owned()),
                "svg"
                    if !(is_hidden
                        || inner.contains(&Rc::as_ptr(&e.node))
                        || e.get("role") == Some("img") && named(e)) =>
                {
                    faults.push("a drawing without a name".to_owned());
                }
                "input" | "select" | "textarea"
                    if e.get("type") != Some("hidden")
                        && !named(e)
                        && !e.get("id").is_some_and(|id| labelled.contains(id)) =>
                {
                    faults.push(format!("<{}> {:?} without label", e.name, e.get("name")));
                }
                "table" if !text_of(&e.node, "caption") => {
                    faults.push("a table without caption".to_owned());
                }
                "th" if e.get("scope").is_none() => {
                    faults.push("a heading of a table without scope".to_owned());
                }
                _ => {}
            }
            for link in ["href", "src", "action", "xlink:href"] {
                let to = e.get(link).unwrap_or_default();
                if to.starts_with("javascript:") || to.starts_with("//") {
                    faults.push(format!("<{}> leads to {to}", e.name));
                }
                if e.name != "a" && to.contains("://") {
                    faults.push(format!("<{}> loads {to}", e.name));
                }
            }
        }
        if elements.iter().filter(|e| e.name == "h1").count() != 1 {
            faults.push("not one heading of the first rank".to_owned());
        }
        faults
    }

    /// The fields of the form that is posted to these pages, but logging out; `None`: there is
    /// none.
    pub(super) fn question(&self) -> Option<Vec<(String, String)>> {
        let form = self.elements().into_iter().find(|e| {
            e.name == "form"
                && e.get("method") == Some("post")
                && !e.get("action").is_some_and(|a| a.contains("log"))
        })?;
        let within = Self::below(&form.node);
        let fields = within.into_iter().filter(|e| e.name == "input");
        Some(
            fields
                .map(|e| {
                    let of = |name| e.get(name).unwrap_or_default().to_owned();
                    (of("name"), of("value"))
                })
                .collect(),
        )
    }

    /// The value of a field that people see.
    pub(super) fn field(&self, id: &str) -> Option<String> {
        let mut elements = self.elements().into_iter();
        let field = elements.find(|e| e.get("id") == Some(id))?;
        field.get("value").map(str::to_owned)
    }

    /// The text in the first element of this class or id.
    pub(super) fn said(&self, mark: &str) -> Option<String> {
        let element = self.elements().into_iter().find(|e| {
            e.get("id") == Some(mark)
                || e.get("class")
                    .is_some_and(|c| c.split_whitespace().any(|c| c == mark))
        })?;
        Some(words(&element.node))
    }

    /// All its text, as it is read.
    pub(super) fn text(&self) -> String {
        words(&self.dom.document)
    }

    fn below(node: &Handle) -> Vec<Element> {
        let inner = Self {
            dom: RcDom {
                document: node.clone(),
                ..RcDom::default()
            },
        };
        inner.elements()
    }
}

/// Whether an element has a part of this name that says something.
fn text_of(node: &Handle, part: &str) -> bool {
    Page::below(node)
        .iter()
        .any(|e| e.name == part && !words(&e.node).is_empty())
}

fn words(node: &Handle) -> String {
    let (mut text, mut pending) = (String::new(), vec![node.clone()]);
    while let Some(node) = pending.pop() {
        if let NodeData::Text { contents } = &node.data {
            text.push_str(&contents.borrow());
            text.push(' ');
        }
        pending.extend(node.children.borrow().iter().rev().cloned());
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_wrong_with_a_page_is_found() {
    let faults = |body: &str| {
        let page = format!(
            "<!DOCTYPE html><html lang=\"en\"><head><title>t</title></head><body><h1>t</h1>{body}</body></html>"
        );
        Page::read(&page).faults()
    };
    assert_eq!(faults("<p>well</p>"), Vec::<String>::new());
    for broken in [
        "<p>a</div>",
        "<p><section>x</section></p>",
        "<i id=\"a\"></i><b id=\"a\"></b>",
        "<p class=\"a\" class=\"b\"></p>",
        "<p style=\"color: red\"></p>",
        "<script></script>",
        "<svg></svg>",
        "<input name=\"a\">",
        "<label for=\"a\">a</label>",
        "<table><tr><td>a</td></tr></table>",
        "<img src=\"https://other.example/a.png\" alt=\"\">",
        "<h1>again</h1>",
        "<p>&nosuch;</p>",
    ] {
        assert!(!faults(broken).is_empty(), "{broken}");
    }
}
