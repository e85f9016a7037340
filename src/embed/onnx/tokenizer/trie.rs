//! [`Trie`]: the longest token that a text begins with.

/// Tokens by their characters.
pub(super) struct Trie(Vec<Node>);

#[derive(Default)]
struct Node {
    /// The id of the token that ends here.
    id: Option<i32>,
    /// The nodes of the characters that may follow, in the order of the characters.
    next: Vec<(char, u32)>,
}

impl Trie {
    /// The node of all tokens.
    pub(super) const ROOT: usize = 0;

    pub(super) fn new() -> Trie {
        Trie(vec![Node::default()])
    }

    /// Whether it has no tokens.
    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    /// Adds a token. Returns the id that it had.
    pub(super) fn insert(&mut self, token: &str, id: i32) -> Option<i32> {
        let node = self.node(token);
        self.0[node].id.replace(id)
    }

    /// Returns the node of the tokens that begin with a prefix, for [`longest`](Trie::longest).
    pub(super) fn node(&mut self, prefix: &str) -> usize {
        prefix.chars().fold(Trie::ROOT, |node, c| {
            let new = self.0.len();
            let next = &mut self.0[node].next;
            match next.binary_search_by_key(&c, |(c, _)| *c) {
                Ok(at) => next[at].1 as usize,
                Err(at) => {
                    next.insert(at, (c, new as u32));
                    self.0.push(Node::default());
                    new
                }
            }
        })
    }

    /// Returns the length and the id of the longest token that a text begins with, after the prefix of `node`.
    pub(super) fn longest(&self, mut node: usize, text: &str) -> Option<(usize, i32)> {
        let mut longest = None;
        for (at, c) in text.char_indices() {
            let next = &self.0[node].next;
            let Ok(found) = next.binary_search_by_key(&c, |(c, _)| *c) else {
                break;
            };
            node = next[found].1 as usize;
            if let Some(id) = self.0[node].id {
                longest = Some((at + c.len_utf8(), id));
            }
        }
        longest
    }
}
