package oauth1

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/internal/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestBaseString is the example of RFC 5849 section 3.4.1.1, with the signature of its erratum 2550.
func TestBaseString(t *testing.T) {
	r := Request{Method: "post", URL: "http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b", Form: "c2&a3=2+q"}
	protocol := []parameter{
		{"oauth_consumer_key", "9djdj82h48djs9d2"},
		{"oauth_token", "kkk9d7dh3k39sjv7"},
		{"oauth_signature_method", "HMAC-SHA1"},
		{"oauth_timestamp", "137131201"},
		{"oauth_nonce", "7d8f3e4a"},
	}
	target, err := url.Parse(r.URL)
	require.NoError(t, err)
	base, err := baseString(r, target, protocol)
	require.NoError(t, err)
	require.Equal(t, "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D%26"+
		"oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26"+
		"oauth_token%3Dkkk9d7dh3k39sjv7", base)
	c := Credential{ConsumerSecret: seal.NewSecret("j49sk3j29djd"), TokenSecret: seal.NewSecret("dh893hdasih9"), Method: HMACSHA1}
	signature, err := c.sign(r, protocol)
	require.NoError(t, err)
	require.Equal(t, "r6/TJjbCOr97/+UU0NsvSne7s5g=", signature)
}

// TestSignature is the request for a photo of RFC 5849 section 1.2.
func TestSignature(t *testing.T) {
	c := Credential{ConsumerSecret: seal.NewSecret("kd94hf93k423kf44"), TokenSecret: seal.NewSecret("pfkkdhi9sl3r4s00")}
	signature, err := c.sign(Request{Method: "GET", URL: "http://photos.example.net/photos?file=vacation.jpg&size=original"}, []parameter{
		{"oauth_consumer_key", "dpf43f3p2l4k3l03"},
		{"oauth_token", "nnch734d00sl2jdk"},
		{"oauth_signature_method", "HMAC-SHA1"},
		{"oauth_timestamp", "137131202"},
		{"oauth_nonce", "chapoH"},
	})
	require.NoError(t, err)
	require.Equal(t, "MdpQcU8iPSUjWoN/UDMsK2sui9I=", signature)
}

func TestHeader(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	c := Credential{
		ConsumerKey: "key & co", ConsumerSecret: seal.NewSecret("s&"), Token: "tok", TokenSecret: seal.NewSecret("t="), Method: HMACSHA256, Realm: "123_SB1",
	}
	first, err := c.Header(Request{Method: "GET", URL: "https://api.example/x"}, now)
	require.NoError(t, err)
	require.Regexp(t, `^OAuth realm="123_SB1", oauth_consumer_key="key%20%26%20co", oauth_token="tok", oauth_signature_method="HMAC-SHA256", `+
		`oauth_timestamp="1700000000", oauth_nonce="[A-Z2-7]{26}", oauth_version="1.0", oauth_signature="[A-Za-z0-9%]+"$`, first)
	second, err := c.Header(Request{Method: "GET", URL: "https://api.example/x"}, now)
	require.NoError(t, err)
	require.NotEqual(t, first, second, "each has a nonce of its own")

	c.Token, c.Realm = "", ""
	alone, err := c.Header(Request{Method: "GET", URL: "https://api.example/x"}, now)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(alone, `OAuth oauth_consumer_key=`))
	require.NotContains(t, alone, "oauth_token")
	for want, r := range map[error]Request{
		ErrURL:               {Method: "GET", URL: "/x"},
		ErrForm:              {Method: "POST", URL: "https://api.example/x", Form: "a=%zz"},
		ErrProtocolParameter: {Method: "GET", URL: "https://api.example/x?oauth_nonce=1"},
	} {
		_, err := c.Header(r, now)
		require.ErrorIs(t, err, want)
	}
	_, err = c.Header(Request{Method: "GET", URL: "https://api.example/x?a=%zz"}, now)
	require.ErrorIs(t, err, ErrURL)
}

// TestFingerprint: whatever changes the signature changes the name.
func TestFingerprint(t *testing.T) {
	c := Credential{ConsumerKey: "a", ConsumerSecret: seal.NewSecret("b"), Token: "c", TokenSecret: seal.NewSecret("d")}
	seen := map[string]bool{c.Fingerprint(): true}
	for _, change := range []func(*Credential){
		func(c *Credential) { c.ConsumerKey = "x" }, func(c *Credential) { c.ConsumerSecret = seal.NewSecret("x") },
		func(c *Credential) { c.Token = "x" }, func(c *Credential) { c.TokenSecret = seal.NewSecret("x") },
	} {
		other := c
		change(&other)
		require.False(t, seen[other.Fingerprint()])
		seen[other.Fingerprint()] = true
	}
}

// FuzzHeader: whatever is asked for, the header is one line that only the signer wrote.
func FuzzHeader(f *testing.F) {
	f.Add("GET", "https://api.example/x?a=b&a=c%20d", "e=f+g&h")
	f.Add("POST", "http://[::1]:80/%2F?;", "=&=")
	c := Credential{ConsumerKey: "k", ConsumerSecret: seal.NewSecret("canary"), Token: "t", TokenSecret: seal.NewSecret("canary"), Method: HMACSHA1}
	whole := regexp.MustCompile(`^OAuth (oauth_[a-z_]+="[A-Za-z0-9%._~-]*"(, |$)){7}$`)
	f.Fuzz(func(t *testing.T, method, target, form string) {
		header, err := c.Header(Request{Method: method, URL: target, Form: form}, time.Unix(0, 0))
		if err != nil {
			require.Empty(t, header)
			return
		}
		require.Regexp(t, whole, header)
		require.NotContains(t, header, "canary")
	})
}
