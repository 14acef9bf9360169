package shape

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// placeholder stands for `*` while an endpoint is checked as a URL.
const placeholder = "x"

// ErrDotSegment means that a path parameter would make a segment `.` or `..`, which leads elsewhere (RFC 3986 section 5.2.4).
var ErrDotSegment = errors.New(`a path parameter makes a path segment "." or ".."`)

// Endpoint is a destination's URL. Each `*` in its path is filled by one path parameter.
type Endpoint struct {
	parts []string // the text around each `*`
}

// ParseEndpoint checks where the `*` of an endpoint are: in the path only. The rest of the URL is for [Endpoint.Sample] and whoever
// knows which URLs are allowed.
func ParseEndpoint(text string) (Endpoint, error) {
	e := Endpoint{parts: strings.Split(text, "*")}
	u, err := url.Parse(e.Sample())
	if err != nil || u.Host == "" {
		return Endpoint{}, errors.New("want an absolute URL, for instance https://api.example/orders/*")
	}
	path, _, _ := strings.Cut(text, "?")
	path, _, _ = strings.Cut(path, "#")
	_, path, _ = strings.Cut(path, "://")
	if slash := strings.IndexByte(path, '/'); slash < 0 {
		path = ""
	} else {
		path = path[slash:]
	}
	if strings.Count(path, "*") != e.Placeholders() {
		return Endpoint{}, errors.New("* is allowed in the path only, not in scheme, host, query or fragment")
	}
	return e, nil
}

// Placeholders is the number of `*`.
func (e Endpoint) Placeholders() int { return len(e.parts) - 1 }

// Sample is the URL with something harmless in place of each `*`, to be checked as a URL.
func (e Endpoint) Sample() string { return strings.Join(e.parts, placeholder) }

// Fill puts the values in place of the `*`, each escaped so that it stays within its path segment.
func (e Endpoint) Fill(values []string) (string, error) {
	if len(values) != e.Placeholders() {
		return "", fmt.Errorf("%d path parameters for %d placeholders", len(values), e.Placeholders())
	}
	var b strings.Builder
	b.WriteString(e.parts[0])
	for i, value := range values {
		b.WriteString(url.PathEscape(value))
		b.WriteString(e.parts[i+1])
	}
	filled := b.String()
	if len(values) > 0 && hasDotSegment(filled) {
		return "", ErrDotSegment
	}
	return filled, nil
}

func hasDotSegment(text string) bool {
	path, _, _ := strings.Cut(text, "?")
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// Pair is a query parameter or body member.
type Pair struct {
	Key, Value string
}

// AddQuery puts parameters on a URL. Those given later win over those of the same name given earlier, and over the URL's own.
func AddQuery(text string, layers ...[]Pair) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", errors.New("the endpoint is not a valid URL")
	}
	own, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", errors.New("the endpoint's query is not valid")
	}
	changed := false
	for _, layer := range layers {
		seen := map[string]bool{}
		for _, p := range layer {
			if !seen[p.Key] {
				own.Del(p.Key)
			}
			seen[p.Key] = true
			own.Add(p.Key, p.Value)
			changed = true
		}
	}
	if changed { // else the spelling of the endpoint stays
		u.RawQuery = own.Encode()
	}
	return u.String(), nil
}
