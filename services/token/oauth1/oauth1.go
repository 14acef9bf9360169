package oauth1

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // HMAC-SHA1 is what RFC 5849 section 3.4.2 has, and what servers want; its collisions do not break the HMAC.
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// Method is a signature method, by its name in requests.
type Method string

// The methods: RFC 5849 section 3.4.2, and the same with SHA-256.
const (
	HMACSHA1   Method = "HMAC-SHA1"
	HMACSHA256 Method = "HMAC-SHA256"
)

// Credential is what requests are signed with. Token is empty where they are signed for the client alone.
type Credential struct {
	ConsumerKey    string
	ConsumerSecret seal.Secret
	Token          string
	TokenSecret    seal.Secret
	Method         Method
	Realm          string
}

// IsZero reports whether there is none.
func (c Credential) IsZero() bool { return c.ConsumerKey == "" }

// Fingerprint names the credential without revealing it.
func (c Credential) Fingerprint() string {
	parts := []string{c.ConsumerKey, c.ConsumerSecret.Reveal(), c.Token, c.TokenSecret.Reveal()}
	return seal.NewSecret(strings.Join(parts, "\x00")).Fingerprint()
}

// Request is what is signed.
type Request struct {
	// Method, in the case in which it is sent, and URL with the query.
	Method, URL string
	// Form is the body, if it is of type application/x-www-form-urlencoded.
	Form string
}

var (
	// ErrURL is returned for a URL that no request can be made to, or whose query cannot be read.
	ErrURL = errors.New("oauth1: the URL must be absolute, of scheme http or https, with a query of valid encoding")
	// ErrForm is returned for a form that cannot be read.
	ErrForm = errors.New("oauth1: the form is not of valid encoding")
	// ErrProtocolParameter is returned for a request that has parameters of the protocol itself.
	ErrProtocolParameter = errors.New("oauth1: the request has parameters of the signature already")
)

// parameter is one of those that are signed, RFC 5849 section 3.4.1.3.
type parameter struct{ key, value string }

// Header returns the value of the header Authorization for a request that is made now, RFC 5849 section 3.5.1.
func (c Credential) Header(r Request, now time.Time) (string, error) {
	protocol := []parameter{{"oauth_consumer_key", c.ConsumerKey}}
	if c.Token != "" {
		protocol = append(protocol, parameter{"oauth_token", c.Token})
	}
	protocol = append(protocol,
		parameter{"oauth_signature_method", string(c.Method)},
		parameter{"oauth_timestamp", strconv.FormatInt(now.Unix(), 10)},
		parameter{"oauth_nonce", rand.Text()},
		parameter{"oauth_version", "1.0"},
	)
	signature, err := c.sign(r, protocol)
	if err != nil {
		return "", err
	}
	var header strings.Builder
	header.WriteString("OAuth ")
	if c.Realm != "" {
		header.WriteString(`realm="` + c.Realm + `", `)
	}
	for i, p := range append(protocol, parameter{"oauth_signature", signature}) {
		if i > 0 {
			header.WriteString(", ")
		}
		header.WriteString(p.key + `="` + encode(p.value) + `"`)
	}
	return header.String(), nil
}

// sign returns the signature of a request with these protocol parameters, RFC 5849 section 3.4.
func (c Credential) sign(r Request, protocol []parameter) (string, error) {
	target, err := url.Parse(r.URL)
	if err != nil || target.Host == "" || (target.Scheme != "http" && target.Scheme != "https") {
		return "", ErrURL
	}
	base, err := baseString(r, target, protocol)
	if err != nil {
		return "", err
	}
	key := encode(c.ConsumerSecret.Reveal()) + "&" + encode(c.TokenSecret.Reveal())
	mac := hmac.New(sha1.New, []byte(key))
	if c.Method == HMACSHA256 {
		mac = hmac.New(sha256.New, []byte(key))
	}
	_, _ = mac.Write([]byte(base)) // a hash takes everything
	return base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

// baseString is what is signed, RFC 5849 section 3.4.1.
func baseString(r Request, target *url.URL, protocol []parameter) (string, error) {
	query, err := parse(target.RawQuery)
	if err != nil {
		return "", ErrURL
	}
	form, err := parse(r.Form)
	if err != nil {
		return "", ErrForm
	}
	parameters := slices.Concat(query, form)
	for _, p := range parameters {
		if p.key == "oauth_signature" || slices.ContainsFunc(protocol, func(own parameter) bool { return own.key == p.key }) {
			return "", ErrProtocolParameter
		}
	}
	return strings.ToUpper(r.Method) + "&" + encode(baseURI(target)) + "&" + encode(normalized(slices.Concat(parameters, protocol))), nil
}

// baseURI is the URL without what is not signed as part of it, RFC 5849 section 3.4.1.2.
func baseURI(u *url.URL) string {
	host := strings.ToLower(u.Host)
	for scheme, port := range map[string]string{"http": ":80", "https": ":443"} {
		if u.Scheme == scheme {
			host = strings.TrimSuffix(host, port)
		}
	}
	return u.Scheme + "://" + host + cmp.Or(u.EscapedPath(), "/")
}

// normalized is RFC 5849 section 3.4.1.3.2.
func normalized(parameters []parameter) string {
	pairs := make([]parameter, len(parameters))
	for i, p := range parameters {
		pairs[i] = parameter{encode(p.key), encode(p.value)}
	}
	slices.SortFunc(pairs, func(a, b parameter) int {
		return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.value, b.value))
	})
	texts := make([]string, len(pairs))
	for i, p := range pairs {
		texts[i] = p.key + "=" + p.value
	}
	return strings.Join(texts, "&")
}

// parse reads fields of application/x-www-form-urlencoded. Unlike url.ParseQuery it knows no other separator than &, and drops nothing.
func parse(text string) ([]parameter, error) {
	var parameters []parameter
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		var p parameter
		var err error
		if p.key, err = url.QueryUnescape(key); err != nil {
			return nil, err
		}
		if p.value, err = url.QueryUnescape(value); err != nil {
			return nil, err
		}
		parameters = append(parameters, p)
	}
	return parameters, nil
}

// encode is RFC 5849 section 3.6: stricter than the encodings of package url.
func encode(text string) string {
	const hexadecimal = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(text) {
		b := text[i]
		if 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' || '0' <= b && b <= '9' || strings.IndexByte("-._~", b) >= 0 {
			out.WriteByte(b)
			continue
		}
		out.Write([]byte{'%', hexadecimal[b>>4], hexadecimal[b&15]})
	}
	return out.String()
}
