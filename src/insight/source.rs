//! What the source at the place of a call says: whether an expression is used for nothing but its truth, and
//! whether a rule is silenced there.
//!
//! Only what is certain counts. An expression that may be used in any other way, or that cannot be told from
//! others of its line, is taken to be used.

use std::sync::Arc;

use tree_sitter::{Node, Parser};

use crate::model::TargetStr;

/// The most bytes of a file that are parsed.
const MAX_SOURCE: usize = 1 << 20;

/// The most nodes of a file that are looked at.
const MAX_NODES: usize = 400_000;

/// Methods of a queryset that make another one, or ask the database anew: what was fetched before is of no
/// use to them.
const ASKS_ANEW: [&str; 24] = [
    "aggregate",
    "alias",
    "all",
    "annotate",
    "count",
    "create",
    "defer",
    "delete",
    "difference",
    "distinct",
    "exclude",
    "exists",
    "filter",
    "get",
    "model",
    "none",
    "only",
    "order_by",
    "reverse",
    "select_related",
    "union",
    "update",
    "values",
    "values_list",
];

/// Gives the text of a program's source files.
pub trait Sources {
    /// The text of a file, by the name that its code objects have; `None` if it cannot be read as the
    /// program's own.
    fn text(&mut self, file: &TargetStr) -> Option<Arc<str>>;
}

/// No source can be read.
#[derive(Clone, Copy, Debug)]
pub struct NoSources;

impl Sources for NoSources {
    fn text(&mut self, _file: &TargetStr) -> Option<Arc<str>> {
        None
    }
}

/// Whether a comment at a line silences a rule: `# spyhole: ignore[n-plus-one]`, or `ignore` for all.
pub(super) fn is_silenced(text: &str, line: u32, rule: &str) -> bool {
    let line = text.lines().nth((line as usize).saturating_sub(1));
    let comment = line.and_then(|line| line.rsplit_once("# spyhole: ignore"));
    let Some((_, rules)) = comment else {
        return false;
    };
    match rules
        .strip_prefix('[')
        .and_then(|rules| rules.split_once(']'))
    {
        Some((rules, _)) => rules.split(',').any(|name| name.trim() == rule),
        None => rules.trim().is_empty(),
    }
}

/// Whether all that a line tests for its truth is used for nothing else.
pub(super) fn is_for_truth_only(text: &str, line: u32) -> bool {
    is_used_only(text, line, Use::Truth)
}

/// Whether all of which a line takes the length is used for nothing else.
pub(super) fn is_for_length_only(text: &str, line: u32) -> bool {
    is_used_only(text, line, Use::Length)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Truth,
    Length,
}

fn is_used_only(text: &str, line: u32, how: Use) -> bool {
    let Some(row) = (line as usize).checked_sub(1) else {
        return false;
    };
    if text.len() > MAX_SOURCE {
        return false;
    }
    let mut parser = Parser::new();
    if parser
        .set_language(&tree_sitter_python::LANGUAGE.into())
        .is_err()
    {
        return false;
    }
    let Some(tree) = parser.parse(text, None) else {
        return false;
    };
    let Some(nodes) = all_below(tree.root_node()) else {
        return false;
    };
    let source = Source { text, nodes };
    let on_line = |node: &&Node<'_>| {
        (node.start_position().row..=node.end_position().row).contains(&row) && is_operand(**node)
    };
    let mut tested: Vec<Node<'_>> = source
        .nodes
        .iter()
        .filter(on_line)
        .filter(|node| source.is_used_for(**node, how))
        .copied()
        .collect();
    // Of several, one that is called so is the one that was fetched.
    let is_named_so = |node: &Node<'_>| source.of(*node).ends_with("queryset");
    if tested.iter().any(is_named_so) {
        tested.retain(is_named_so);
    }
    !tested.is_empty() && tested.iter().all(|node| source.has_no_other_use(*node))
}

/// All nodes of a tree in the order of the text; `None` if there are too many.
fn all_below(root: Node<'_>) -> Option<Vec<Node<'_>>> {
    let mut found = Vec::new();
    let mut cursor = root.walk();
    loop {
        found.push(cursor.node());
        if found.len() > MAX_NODES {
            return None;
        }
        if cursor.goto_first_child() || cursor.goto_next_sibling() {
            continue;
        }
        loop {
            if !cursor.goto_parent() {
                return Some(found);
            }
            if cursor.goto_next_sibling() {
                break;
            }
        }
    }
}

/// Whether it may be a queryset: a name, an attribute, the result of a call.
fn is_operand(node: Node<'_>) -> bool {
    matches!(node.kind(), "identifier" | "attribute" | "call")
}

struct Source<'a> {
    text: &'a str,
    nodes: Vec<Node<'a>>,
}

impl<'a> Source<'a> {
    fn of(&self, node: Node<'_>) -> &'a str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    fn is_used_for(&self, node: Node<'_>, how: Use) -> bool {
        match how {
            Use::Truth => self.is_truth_test(node),
            Use::Length => self.is_length(node),
        }
    }

    /// Whether nothing but the truth of a node's value matters where it stands.
    fn is_truth_test(&self, node: Node<'_>) -> bool {
        let Some(parent) = node.parent() else {
            return false;
        };
        let is_field = |name: &str| parent.child_by_field_name(name) == Some(node);
        match parent.kind() {
            "if_statement" | "elif_clause" | "while_statement" => is_field("condition"),
            "not_operator" => true,
            // A conditional expression: value, `if`, condition, `else`, value.
            "conditional_expression" => parent.named_child(1) == Some(node),
            "if_clause" | "assert_statement" => parent.named_child(0) == Some(node),
            // The value of `a and b` is that of one of them.
            "boolean_operator" | "parenthesized_expression" => self.is_truth_test(parent),
            "argument_list" => {
                let call = parent.parent();
                call.is_some_and(|call| self.is_call_of(call, "bool"))
            }
            _ => false,
        }
    }

    fn is_length(&self, node: Node<'_>) -> bool {
        let arguments = node.parent().filter(|it| it.kind() == "argument_list");
        let call = arguments.and_then(|arguments| arguments.parent());
        call.is_some_and(|call| self.is_call_of(call, "len"))
    }

    /// Whether it is a call of a built-in function with one argument.
    fn is_call_of(&self, call: Node<'_>, name: &str) -> bool {
        let function = call.child_by_field_name("function");
        let arguments = call.child_by_field_name("arguments");
        call.kind() == "call"
            && function.is_some_and(|function| self.of(function) == name)
            && arguments.is_some_and(|arguments| arguments.named_child_count() == 1)
    }

    /// Whether the value of an expression is used nowhere else.
    fn has_no_other_use(&self, tested: Node<'_>) -> bool {
        match tested.kind() {
            // It has no name, so nothing else can use it.
            "call" => true,
            "identifier" => {
                let name = self.of(tested);
                let within = enclosing_function(tested);
                let Some(within) = within else {
                    return false;
                };
                let mut same = self.nodes.iter().filter(|node| {
                    node.kind() == "identifier"
                        && self.of(**node) == name
                        && within.byte_range().contains(&node.start_byte())
                        && !is_name_of_attribute(**node)
                        && !is_keyword(**node)
                });
                same.all(|node| self.is_harmless(*node))
            }
            // Of attributes that others may use, only one is known to be used by nobody else: views of
            // Django and REST framework copy their `queryset` before they use it.
            "attribute" => {
                let name =
                    |node: Node<'_>| node.child_by_field_name("attribute").map(|it| self.of(it));
                if name(tested) != Some("queryset") {
                    return false;
                }
                let mut same = self
                    .nodes
                    .iter()
                    .filter(|node| node.kind() == "attribute" && name(**node) == Some("queryset"));
                same.all(|node| self.is_harmless(*node))
            }
            _ => false,
        }
    }

    /// Whether a use of a queryset does not use what it has fetched.
    fn is_harmless(&self, node: Node<'_>) -> bool {
        if self.is_truth_test(node) || self.is_length(node) {
            return true;
        }
        let Some(parent) = node.parent() else {
            return false;
        };
        match parent.kind() {
            "assignment" => parent.child_by_field_name("left") == Some(node),
            "attribute" => {
                let asked = parent
                    .child_by_field_name("attribute")
                    .map(|it| self.of(it));
                parent.child_by_field_name("object") == Some(node)
                    && asked.is_some_and(|asked| ASKS_ANEW.contains(&asked))
            }
            "comparison_operator" => {
                let mut children = parent.walk();
                parent
                    .children(&mut children)
                    .any(|child| child.kind() == "is" || child.kind() == "is not")
            }
            "typed_parameter" | "parameters" | "default_parameter" | "typed_default_parameter" => {
                true
            }
            "delete_statement" => true,
            _ => false,
        }
    }
}

fn enclosing_function(node: Node<'_>) -> Option<Node<'_>> {
    let mut at = node.parent();
    let mut outermost = None;
    while let Some(node) = at {
        if node.kind() == "function_definition" {
            outermost = Some(node);
        }
        at = node.parent();
    }
    outermost
}

/// Whether it is the name behind the dot of an attribute.
fn is_name_of_attribute(node: Node<'_>) -> bool {
    let attribute = node.parent().filter(|it| it.kind() == "attribute");
    attribute.is_some_and(|it| it.child_by_field_name("attribute") == Some(node))
}

/// Whether it is the name of an argument in a call.
fn is_keyword(node: Node<'_>) -> bool {
    let argument = node.parent().filter(|it| it.kind() == "keyword_argument");
    argument.is_some_and(|it| it.child_by_field_name("name") == Some(node))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(text: &str, mark: &str) -> u32 {
        let line = text.lines().position(|line| line.contains(mark));
        line.expect("a marked line") as u32 + 1
    }

    #[track_caller]
    fn truth(text: &str) -> bool {
        is_for_truth_only(text, line_of(text, "# here"))
    }

    #[test]
    fn a_test_of_what_is_not_used_otherwise_is_for_truth_only() {
        assert!(truth(
            "def f():\n    qs = A.objects.all()\n    if qs:  # here\n        return 1\n"
        ));
        assert!(truth(
            "def f():\n    if A.objects.filter(b=1):  # here\n        return 1\n"
        ));
        assert!(truth(
            "def f(qs):\n    x = 1 if qs else 2  # here\n    return qs.count()\n"
        ));
        assert!(truth("def f(qs):\n    return not qs  # here\n"));
        assert!(truth(
            "def f(qs):\n    while qs and x > 1:  # here\n        pass\n"
        ));
        assert!(truth(
            "class V:\n    queryset = A.objects.all()\n    def g(self):\n        if self.queryset and self.debug:  # here\n            pass\n"
        ));
        assert!(truth("async def f(qs):\n    assert bool(qs)  # here\n"));
    }

    #[test]
    fn what_is_used_afterwards_may_as_well_be_fetched() {
        assert!(!truth(
            "def f(qs):\n    if qs:  # here\n        for a in qs:\n            print(a)\n"
        ));
        assert!(!truth(
            "def f(qs):\n    if not qs:  # here\n        return None\n    return qs\n"
        ));
        assert!(!truth("def f(qs):\n    if qs:  # here\n        g(qs[0])\n"));
        assert!(!truth(
            "def f(r):\n    qs = A.objects.all()\n    if qs:  # here\n        pass\n    return render(r, {'qs': qs})\n"
        ));
        assert!(!truth("def f(qs):\n    return qs or None  # here\n"));
        assert!(!truth(
            "def f(qs):\n    def g():\n        return [a for a in qs]\n    if qs:  # here\n        return g\n"
        ));
        // Its rows may be used by a template.
        assert!(!truth(
            "class V:\n    def g(self):\n        if self.object_list:  # here\n            pass\n"
        ));
        assert!(!truth("qs = A.objects.all()\nif qs:  # here\n    pass\n"));
    }

    #[test]
    fn the_test_of_the_fixture_is_for_truth_only() {
        let text = include_str!("../../fixtures/django_project/recipes/views.py");
        assert!(is_for_truth_only(
            text,
            line_of(text, "    if unpublished:")
        ));
    }

    #[test]
    fn nothing_is_known_of_a_line_without_a_test() {
        assert!(!truth("def f(qs):\n    return list(qs)  # here\n"));
        assert!(!is_for_truth_only("", 1));
        assert!(!is_for_truth_only("if qs:\n", 0));
        assert!(!is_for_truth_only("((((((", 1));
    }

    #[test]
    fn a_length_alone_needs_no_rows() {
        let only = "def f(qs):\n    if len(qs) > 3:\n        return len(qs)\n";
        assert!(is_for_length_only(only, 2));
        let used = "def f(qs):\n    if len(qs) > 3:\n        return qs[:3]\n";
        assert!(!is_for_length_only(used, 2));
    }

    #[test]
    fn a_comment_silences_a_rule_or_all() {
        let text = "a\nb  # spyhole: ignore[n-plus-one, other]\nc  # spyhole: ignore\n";
        assert!(is_silenced(text, 2, "n-plus-one"));
        assert!(is_silenced(text, 2, "other"));
        assert!(!is_silenced(text, 2, "queryset-truth"));
        assert!(is_silenced(text, 3, "queryset-truth"));
        assert!(!is_silenced(text, 1, "n-plus-one"));
    }
}
