package dpop

import (
	"net/http"
	"strings"
)

// Names of RFC 9449 on the wire.
const (
	// HeaderProof carries the proof of a request (section 4.1).
	HeaderProof = "DPoP"
	// HeaderNonce carries a server's next nonce (section 8.2).
	HeaderNonce = "DPoP-Nonce"
	// ErrorUseNonce is the error code of a server that wants its nonce in the
	// proof (sections 8 and 9).
	ErrorUseNonce = "use_dpop_nonce"
	// Scheme is the authentication scheme, and the token type, of bound tokens
	// (section 7.1).
	Scheme = "DPoP"
)

// maxNonce bounds the nonces that are taken. RFC 9449 has no bound; those of
// real servers have less than 200 characters.
const maxNonce = 1024

// Nonce returns the nonce that a server gave with an answer, of whatever
// status; empty if there is none, or it is not one (section 8.1: characters of
// printable ASCII but quotation mark and backslash), or there is more than one.
func Nonce(header http.Header) string {
	values := header.Values(HeaderNonce)
	if len(values) != 1 || len(values[0]) > maxNonce {
		return ""
	}
	invalid := func(r rune) bool { return r < 0x21 || r > 0x7e || r == '"' || r == '\\' }
	if strings.ContainsFunc(values[0], invalid) {
		return ""
	}
	return values[0]
}

// Challenged reports whether an answer of a resource server asks for a nonce:
// status 401 with a challenge of the scheme DPoP whose error is use_dpop_nonce
// (section 9). Such a request was not processed; it can be made again with the
// [Nonce] of the answer.
func Challenged(status int, header http.Header) bool {
	return status == http.StatusUnauthorized && ChallengeError(header) == ErrorUseNonce
}

// ChallengeError returns the parameter error of a challenge of the scheme DPoP
// in WWW-Authenticate (RFC 9110 section 11.6.1, RFC 6750 section 3), the first
// there is; empty without one. What RFC 9110 does not allow ends the reading of
// that header.
func ChallengeError(header http.Header) string {
	for _, value := range header.Values("WWW-Authenticate") {
		if code := challengeError(value); code != "" {
			return code
		}
	}
	return ""
}

// challengeError reads a list of challenges: schemes, each with a token68 or
// with parameters, all separated by commas.
func challengeError(list string) string {
	s := scanner(list)
	ours := false // what is read belongs to a challenge of the scheme DPoP
	for {
		s.skip(" \t,")
		name := s.take(isTokenChar)
		if name == "" {
			return ""
		}
		spaced := s.skip(" \t")
		if !s.accept('=') {
			ours = strings.EqualFold(name, Scheme)
			if spaced {
				s.token68()
			}
			continue
		}
		s.skip(" \t")
		value, ok := s.value()
		if !ok {
			return ""
		}
		if ours && strings.EqualFold(name, "error") {
			return value
		}
	}
}
