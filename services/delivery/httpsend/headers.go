package httpsend

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

const (
	// maxHeader bounds the value of a header that is kept, in bytes; maxHeaders what is kept of all together.
	maxHeader  = 256
	maxHeaders = 4 << 10
)

// isSecret tells whether a header carries a credential, or what stands for one, whoever set it.
func isSecret(name string) bool {
	switch name {
	case "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "Set-Cookie2", "Webhook-Signature", "Authentication-Info",
		"Proxy-Authentication-Info":
		return true
	}
	return false
}

// publicHeaders returns the headers that may be kept: not those that are secret by their name, nor those that hold a secret.
func publicHeaders(headers http.Header, secret []string, redact func(string) string) map[string]string {
	kept := map[string]string{}
	room := maxHeaders
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		canonical := http.CanonicalHeaderKey(name)
		if isSecret(canonical) || slices.Contains(secret, canonical) {
			continue
		}
		value := strings.Join(headers[name], ", ")
		if redact(value) != value {
			continue
		}
		value = excerpt(value, maxHeader)
		if room -= len(canonical) + len(value); room < 0 {
			break
		}
		kept[canonical] = value
	}
	return kept
}
