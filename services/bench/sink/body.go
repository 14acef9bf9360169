package sink

import (
	"strings"
)

const (
	bodyStart = `{"id":"`
	bodyPad   = `","pad":"`
	bodyEnd   = `"}`
	idDigits  = 10

	// MinBody is the least size of a body, in bytes.
	MinBody = len(bodyStart) + idDigits + len(bodyPad) + len(bodyEnd)
)

// Bodies makes bodies of one size. Each is a JSON object with a number, by which the sink knows it.
type Bodies struct{ rest string }

// NewBodies returns bodies of size bytes, at least MinBody.
func NewBodies(size int) Bodies {
	return Bodies{rest: bodyPad + strings.Repeat("x", max(0, size-MinBody)) + bodyEnd}
}

// Append appends the id-th body; ids have at most ten digits.
func (b Bodies) Append(to []byte, id int) []byte {
	to = append(to, bodyStart...)
	at := len(to) + idDigits
	to = append(to, "0000000000"...)
	for i := at - 1; id > 0 && i >= at-idDigits; i-- {
		to[i] = byte('0' + id%10)
		id /= 10
	}
	return append(to, b.rest...)
}

// id is the number of a body, -1 if it is none of ours.
func (b Bodies) id(body []byte) int {
	const at, end = len(bodyStart), len(bodyStart) + idDigits
	if len(body) != end+len(b.rest) || string(body[:at]) != bodyStart || string(body[end:]) != b.rest {
		return -1
	}
	id := 0
	for _, c := range body[at:end] {
		if c < '0' || c > '9' {
			return -1
		}
		id = id*10 + int(c-'0')
	}
	return id
}
