package rawjson

import (
	"bytes"
	"encoding/json"
)

// Kind is what a value is, by its first byte.
type Kind byte

// The kinds. Invalid stands for the end of the text and for anything else.
const (
	Invalid Kind = 0
	Object  Kind = '{'
	Array   Kind = '['
	String  Kind = '"'
	Number  Kind = '0'
	Literal Kind = 'l' // true, false, null
)

// Reader walks a text. The zero value is at the end; [NewReader] starts one.
type Reader struct {
	text []byte
	at   int
}

// NewReader returns a reader at the text's first value.
func NewReader(text []byte) Reader { return Reader{text: text} }

// Kind tells what the next value is.
func (r *Reader) Kind() Kind {
	r.space()
	if r.at >= len(r.text) {
		return Invalid
	}
	switch c := r.text[r.at]; {
	case c == '{' || c == '[' || c == '"':
		return Kind(c)
	case c == '-' || c >= '0' && c <= '9':
		return Number
	case c == 't' || c == 'f' || c == 'n':
		return Literal
	}
	return Invalid
}

// Enter steps into the object or array that is next. Then, as long as More says so: Key (in objects), and the value.
func (r *Reader) Enter() {
	r.space()
	r.at = min(r.at+1, len(r.text))
}

// More tells whether a member or element follows, and steps out of the object or array when none does.
func (r *Reader) More() bool {
	r.space()
	if r.at >= len(r.text) {
		return false
	}
	switch r.text[r.at] {
	case '}', ']':
		r.at++
		return false
	case ',':
		r.at++
		r.space()
	}
	return r.at < len(r.text)
}

// Key reads a member's name, with its quotes and escapes, and the colon after it.
func (r *Reader) Key() []byte {
	key := r.Value()
	r.space()
	if r.at < len(r.text) && r.text[r.at] == ':' {
		r.at++
	}
	return key
}

// Value reads the next value whole and returns its text.
func (r *Reader) Value() []byte {
	r.space()
	start := r.at
	switch r.Kind() {
	case Object, Array:
		r.skipNested()
	case String:
		r.skipString()
	case Number, Literal:
		for r.at < len(r.text) && !delimits(r.text[r.at]) {
			r.at++
		}
	default:
		r.at = min(r.at+1, len(r.text)) // never stand still
	}
	return r.text[start:r.at]
}

func (r *Reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

// skipString goes from quote to quote, which is much faster than from byte to byte.
func (r *Reader) skipString() {
	r.at++
	for start := r.at; ; {
		i := bytes.IndexByte(r.text[min(r.at, len(r.text)):], '"')
		if i < 0 {
			r.at = len(r.text)
			return
		}
		r.at += i + 1
		escapes := r.at - 1
		for escapes > start && r.text[escapes-1] == '\\' {
			escapes--
		}
		if (r.at-1-escapes)%2 == 0 {
			return
		}
	}
}

func (r *Reader) skipNested() {
	for depth := 0; r.at < len(r.text); {
		switch r.text[r.at] {
		case '"':
			r.skipString()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		r.at++
		if depth == 0 {
			return
		}
	}
}

func delimits(c byte) bool {
	switch c {
	case ',', ':', '}', ']', '{', '[', '"', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}

// Text returns the content of a string token: without its quotes, with its escapes resolved. An escaped surrogate without its other
// half becomes U+FFFD, as in encoding/json.
func Text(token []byte) string {
	if len(token) < 2 {
		return ""
	}
	if bytes.IndexByte(token, '\\') < 0 {
		return string(token[1 : len(token)-1])
	}
	var s string
	_ = json.Unmarshal(token, &s) // fails on invalid text only, which leaves ""
	return s
}

// Member returns the value of an object's member of that name; of several, the last, as ECMA-262 JSON.parse does.
func Member(object []byte, name string) (value []byte, ok bool) {
	r := NewReader(object)
	if r.Kind() != Object {
		return nil, false
	}
	for r.Enter(); r.More(); {
		key := r.Key()
		v := r.Value()
		if Text(key) == name {
			value, ok = v, true
		}
	}
	return value, ok
}

// Element returns an array's element, counted from 0, or from the end where index is negative.
func Element(array []byte, index int) (value []byte, ok bool) {
	r := NewReader(array)
	if r.Kind() != Array {
		return nil, false
	}
	var all [][]byte
	i := 0
	for r.Enter(); r.More(); i++ {
		v := r.Value()
		if i == index {
			return v, true
		}
		if index < 0 {
			all = append(all, v)
		}
	}
	if index < 0 && len(all)+index >= 0 {
		return all[len(all)+index], true
	}
	return nil, false
}
