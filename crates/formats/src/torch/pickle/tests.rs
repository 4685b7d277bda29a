//! Pickles written by CPython 3.11 and 2.7, in each protocol that they know.

use super::super::budget::Budget;
use super::super::heap::{Heap, Object, Ref};
use super::load;

/// The object as text, a little like Python's `repr`; `...` where it holds itself.
fn show(heap: &Heap, at: Ref, above: &mut Vec<Ref>) -> String {
    if above.contains(&at) {
        return "...".to_owned();
    }
    above.push(at);
    let mut list = |list: &[Ref]| list.iter().map(|&at| show(heap, at, above)).collect::<Vec<_>>().join(", ");
    let text = match heap.get(at) {
        Object::None => "None".to_owned(),
        Object::Bool(value) => value.to_string(),
        Object::Int(value) => value.to_string(),
        Object::Long(_) => "<long>".to_owned(),
        Object::Float(value) => value.to_string(),
        Object::Text(text) => text.to_string(),
        Object::Bytes => "<bytes>".to_owned(),
        Object::Tuple(elements) => format!("({})", list(elements)),
        Object::List(elements) => format!("[{}]", list(elements)),
        Object::Set(elements) => format!("{{{}}}", list(elements)),
        Object::Dict(pairs) => show_pairs(heap, pairs, above),
        Object::Class(name) => name.to_string(),
        Object::Persistent(id) => format!("<{}>", list(&[*id])),
        Object::Instance(instance) => {
            let mut text = list(&[instance.class]) + &list(&[instance.arguments]);
            if let Some(state) = instance.state {
                text += &format!(" <- {}", list(&[state]));
            }
            if !instance.items.is_empty() {
                text += &format!(" {}", show_pairs(heap, &instance.items, above));
            }
            text
        }
    };
    above.pop();
    text
}

fn show_pairs(heap: &Heap, pairs: &[(Ref, Ref)], above: &mut Vec<Ref>) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|&(key, value)| format!("{}: {}", show(heap, key, above), show(heap, value, above)))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}

#[test]
fn pickles_of_every_protocol_say_what_python_pickled() {
    let table: &[(&[u8], &str)] = &[
        (b"(dp0\nVn\np1\nNsVt\np2\nI01\nsVf\np3\nI00\nsVi\np4\n(lp5\nI0\naI255\naI256\naI-1\naI65536\naL2147483648L\naL-9223372036854775808L\naL1180591620717411303424L\nasVx\np6\nF1.5\nsVu\np7\nVh\xe9\\u000a\\u20ac\\U0001f600\\u005c\np8\nsVb\np9\nc_codecs\nencode\np10\n(V\\u0000\xff\np11\nVlatin1\np12\ntp13\nRp14\nsVs\np15\nc__builtin__\nset\np16\n((lp17\nI7\natp18\nRp19\nsVtup\np20\n(I1\n(I2\ntp21\n(ttp22\nsVod\np23\nccollections\nOrderedDict\np24\n(tRp25\nVa\np26\nI1\nss.", "{n: None, t: true, f: false, i: [0, 255, 256, -1, 65536, 2147483648, -9223372036854775808, <long>], x: 1.5, u: h\u{e9}\n\u{20ac}\u{1f600}\\, b: _codecs.encode(\0\u{ff}, latin1), s: __builtin__.set([7]), tup: (1, (2), ()), od: collections.OrderedDict() {a: 1}}"),
        (b"}q\x00(X\x01\x00\x00\x00nq\x01NX\x01\x00\x00\x00tq\x02I01\nX\x01\x00\x00\x00fq\x03I00\nX\x01\x00\x00\x00iq\x04]q\x05(K\x00K\xffM\x00\x01J\xff\xff\xff\xffJ\x00\x00\x01\x00L2147483648L\nL-9223372036854775808L\nL1180591620717411303424L\neX\x01\x00\x00\x00xq\x06G?\xf8\x00\x00\x00\x00\x00\x00X\x01\x00\x00\x00uq\x07X\x0c\x00\x00\x00h\xc3\xa9\n\xe2\x82\xac\xf0\x9f\x98\x80\\q\x08X\x01\x00\x00\x00bq\x09c_codecs\nencode\nq\n(X\x03\x00\x00\x00\x00\xc3\xbfq\x0bX\x06\x00\x00\x00latin1q\x0ctq\x0dRq\x0eX\x01\x00\x00\x00sq\x0fc__builtin__\nset\nq\x10(]q\x11K\x07atq\x12Rq\x13X\x03\x00\x00\x00tupq\x14(K\x01(K\x02tq\x15)tq\x16X\x02\x00\x00\x00odq\x17ccollections\nOrderedDict\nq\x18)Rq\x19X\x01\x00\x00\x00aq\x1aK\x01su.", "{n: None, t: true, f: false, i: [0, 255, 256, -1, 65536, 2147483648, -9223372036854775808, <long>], x: 1.5, u: h\u{e9}\n\u{20ac}\u{1f600}\\, b: _codecs.encode(\0\u{ff}, latin1), s: __builtin__.set([7]), tup: (1, (2), ()), od: collections.OrderedDict() {a: 1}}"),
        (b"\x80\x02}q\x00(X\x01\x00\x00\x00nq\x01NX\x01\x00\x00\x00tq\x02\x88X\x01\x00\x00\x00fq\x03\x89X\x01\x00\x00\x00iq\x04]q\x05(K\x00K\xffM\x00\x01J\xff\xff\xff\xffJ\x00\x00\x01\x00\x8a\x05\x00\x00\x00\x80\x00\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00@eX\x01\x00\x00\x00xq\x06G?\xf8\x00\x00\x00\x00\x00\x00X\x01\x00\x00\x00uq\x07X\x0c\x00\x00\x00h\xc3\xa9\n\xe2\x82\xac\xf0\x9f\x98\x80\\q\x08X\x01\x00\x00\x00bq\x09c_codecs\nencode\nq\nX\x03\x00\x00\x00\x00\xc3\xbfq\x0bX\x06\x00\x00\x00latin1q\x0c\x86q\x0dRq\x0eX\x01\x00\x00\x00sq\x0fc__builtin__\nset\nq\x10]q\x11K\x07a\x85q\x12Rq\x13X\x03\x00\x00\x00tupq\x14K\x01K\x02\x85q\x15)\x87q\x16X\x02\x00\x00\x00odq\x17ccollections\nOrderedDict\nq\x18)Rq\x19X\x01\x00\x00\x00aq\x1aK\x01su.", "{n: None, t: true, f: false, i: [0, 255, 256, -1, 65536, 2147483648, -9223372036854775808, <long>], x: 1.5, u: h\u{e9}\n\u{20ac}\u{1f600}\\, b: _codecs.encode(\0\u{ff}, latin1), s: __builtin__.set([7]), tup: (1, (2), ()), od: collections.OrderedDict() {a: 1}}"),
        (b"\x80\x03}q\x00(X\x01\x00\x00\x00nq\x01NX\x01\x00\x00\x00tq\x02\x88X\x01\x00\x00\x00fq\x03\x89X\x01\x00\x00\x00iq\x04]q\x05(K\x00K\xffM\x00\x01J\xff\xff\xff\xffJ\x00\x00\x01\x00\x8a\x05\x00\x00\x00\x80\x00\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00@eX\x01\x00\x00\x00xq\x06G?\xf8\x00\x00\x00\x00\x00\x00X\x01\x00\x00\x00uq\x07X\x0c\x00\x00\x00h\xc3\xa9\n\xe2\x82\xac\xf0\x9f\x98\x80\\q\x08X\x01\x00\x00\x00bq\x09C\x02\x00\xffq\nX\x01\x00\x00\x00sq\x0bcbuiltins\nset\nq\x0c]q\x0dK\x07a\x85q\x0eRq\x0fX\x03\x00\x00\x00tupq\x10K\x01K\x02\x85q\x11)\x87q\x12X\x02\x00\x00\x00odq\x13ccollections\nOrderedDict\nq\x14)Rq\x15X\x01\x00\x00\x00aq\x16K\x01su.", "{n: None, t: true, f: false, i: [0, 255, 256, -1, 65536, 2147483648, -9223372036854775808, <long>], x: 1.5, u: h\u{e9}\n\u{20ac}\u{1f600}\\, b: <bytes>, s: builtins.set([7]), tup: (1, (2), ()), od: collections.OrderedDict() {a: 1}}"),
        (b"\x80\x04\x95\xb8\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01n\x94N\x8c\x01t\x94\x88\x8c\x01f\x94\x89\x8c\x01i\x94]\x94(K\x00K\xffM\x00\x01J\xff\xff\xff\xffJ\x00\x00\x01\x00\x8a\x05\x00\x00\x00\x80\x00\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00@e\x8c\x01x\x94G?\xf8\x00\x00\x00\x00\x00\x00\x8c\x01u\x94\x8c\x0ch\xc3\xa9\n\xe2\x82\xac\xf0\x9f\x98\x80\\\x94\x8c\x01b\x94C\x02\x00\xff\x94\x8c\x01s\x94\x8f\x94(K\x07\x90\x8c\x03tup\x94K\x01K\x02\x85\x94)\x87\x94\x8c\x02od\x94\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94\x8c\x01a\x94K\x01su.", "{n: None, t: true, f: false, i: [0, 255, 256, -1, 65536, 2147483648, -9223372036854775808, <long>], x: 1.5, u: h\u{e9}\n\u{20ac}\u{1f600}\\, b: <bytes>, s: {7}, tup: (1, (2), ()), od: collections.OrderedDict() {a: 1}}"),
        (b"\x80\x05\x95\xb8\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01n\x94N\x8c\x01t\x94\x88\x8c\x01f\x94\x89\x8c\x01i\x94]\x94(K\x00K\xffM\x00\x01J\xff\xff\xff\xffJ\x00\x00\x01\x00\x8a\x05\x00\x00\x00\x80\x00\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00@e\x8c\x01x\x94G?\xf8\x00\x00\x00\x00\x00\x00\x8c\x01u\x94\x8c\x0ch\xc3\xa9\n\xe2\x82\xac\xf0\x9f\x98\x80\\\x94\x8c\x01b\x94C\x02\x00\xff\x94\x8c\x01s\x94\x8f\x94(K\x07\x90\x8c\x03tup\x94K\x01K\x02\x85\x94)\x87\x94\x8c\x02od\x94\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94\x8c\x01a\x94K\x01su.", "{n: None, t: true, f: false, i: [0, 255, 256, -1, 65536, 2147483648, -9223372036854775808, <long>], x: 1.5, u: h\u{e9}\n\u{20ac}\u{1f600}\\, b: <bytes>, s: {7}, tup: (1, (2), ()), od: collections.OrderedDict() {a: 1}}"),
        (b"(lp0\nccollections\nOrderedDict\np1\n((lp2\n(lp3\nS\"a\\n\\xff'\"\np4\naVh\\u20ac\np5\naa(lp6\nS'l'\np7\naL12345678901234567890L\naa(lp8\nS'i'\np9\naI01\naatp10\nRp11\na(i__main__\nOld\np12\n(dp13\nS'a'\np14\nI1\nsba.", "[collections.OrderedDict([[<bytes>, h\u{20ac}], [l, <long>], [i, true]]), __main__.Old() <- {a: 1}]"),
        (b"]q\x00(ccollections\nOrderedDict\nq\x01(]q\x02(]q\x03(U\x04a\n\xff'q\x04X\x04\x00\x00\x00h\xe2\x82\xacq\x05e]q\x06(U\x01lq\x07L12345678901234567890L\ne]q\x08(U\x01iq\x09I01\neetq\nRq\x0b(c__main__\nOld\nq\x0coq\x0d}q\x0eU\x01aq\x0fK\x01sbe.", "[collections.OrderedDict([[<bytes>, h\u{20ac}], [l, <long>], [i, true]]), __main__.Old() <- {a: 1}]"),
        (b"\x80\x02]q\x00(ccollections\nOrderedDict\nq\x01]q\x02(]q\x03(U\x04a\n\xff'q\x04X\x04\x00\x00\x00h\xe2\x82\xacq\x05e]q\x06(U\x01lq\x07\x8a\x09\xd2\n\x1f\xeb\x8c\xa9T\xab\x00e]q\x08(U\x01iq\x09\x88ee\x85q\nRq\x0b(c__main__\nOld\nq\x0coq\x0d}q\x0eU\x01aq\x0fK\x01sbe.", "[collections.OrderedDict([[<bytes>, h\u{20ac}], [l, <long>], [i, true]]), __main__.Old() <- {a: 1}]"),
        (b"ccopy_reg\n_reconstructor\np0\n(c__main__\nNew\np1\nc__builtin__\nobject\np2\nNtp3\nRp4\n(dp5\nS'b'\np6\n(lp7\ng4\nasb.", "copy_reg._reconstructor(__main__.New, __builtin__.object, None) <- {b: [...]}"),
        (b"\x80\x02c__main__\nNew\nq\x00)\x81q\x01}q\x02U\x01bq\x03]q\x04h\x01asb.", "__main__.New() <- {b: [...]}"),
    ];
    let mut wrong = Vec::new();
    for (bytes, expected) in table {
        let bytes = bytes::Bytes::from_static(bytes);
        let found = load(&bytes, 0, "test", &Budget::new(bytes.len(), bytes.len()))
            .map(|pickle| (show(&pickle.heap, pickle.root, &mut Vec::new()), pickle.end));
        if found != Ok(((*expected).to_owned(), bytes.len())) {
            wrong.push(format!("{found:?}\n  instead of {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
