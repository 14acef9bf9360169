package rawjson

import "strconv"

// WideInteger returns the first integer of a valid text, a number without fraction or exponent, that is not within int64.
func WideInteger(text []byte) (token []byte, found bool) {
	for r := NewReader(text); r.at < len(r.text); {
		switch r.Kind() {
		case String:
			r.skipString()
		case Number:
			token := r.Value()
			if len(token) > 18 && wide(token) { // 18 digits always fit
				return token, true
			}
		case Literal:
			r.Value()
		case Object, Array, Invalid:
			r.at++ // a bracket, a comma, a colon, or the end
		}
	}
	return nil, false
}

func wide(token []byte) bool {
	for _, c := range token {
		if c == '.' || c == 'e' || c == 'E' {
			return false
		}
	}
	_, err := strconv.ParseInt(string(token), 10, 64)
	return err != nil
}
