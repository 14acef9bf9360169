package dpop_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/sdk/dpop"
)

func headers(name string, values ...string) http.Header {
	h := http.Header{}
	for _, v := range values {
		h.Add(name, v)
	}
	return h
}

func TestChallengeError(t *testing.T) {
	for name, test := range map[string]struct {
		values []string
		want   string
	}{
		"none":                         {nil, ""},
		"that of RFC 9449 section 9":   {[]string{`DPoP error="use_dpop_nonce", error_description="Resource server requires nonce in DPoP proof"`}, "use_dpop_nonce"},
		"that of RFC 9449 section 7.1": {[]string{`DPoP error="invalid_token", error_description="Invalid DPoP key binding", algs="ES256"`}, "invalid_token"},
		"not the first parameter":      {[]string{`DPoP realm="a, DPoP error=\"x\"", error=use_dpop_nonce`}, "use_dpop_nonce"},
		"any case":                     {[]string{`dpop Error = "use_dpop_nonce"`}, "use_dpop_nonce"},
		"of another scheme":            {[]string{`Bearer error="use_dpop_nonce"`}, ""},
		"after another scheme":         {[]string{`Bearer realm="x", error="invalid_token", DPoP algs="ES256 PS256", error="use_dpop_nonce"`}, "use_dpop_nonce"},
		"before another scheme":        {[]string{`DPoP algs="ES256", Bearer error="invalid_token"`}, ""},
		"in another header":            {[]string{`Basic realm="x"`, `DPoP error="use_dpop_nonce"`}, "use_dpop_nonce"},
		"after a token68":              {[]string{`Negotiate YWJj/+==, DPoP error="use_dpop_nonce"`}, "use_dpop_nonce"},
		"after a bare scheme":          {[]string{`Negotiate, DPoP error="use_dpop_nonce"`}, "use_dpop_nonce"},
		"empty elements":               {[]string{` , ,DPoP ,error="use_dpop_nonce"`}, "use_dpop_nonce"},
		"escaped":                      {[]string{`DPoP error="use_\d\pop_nonce"`}, "use_dpop_nonce"},
		"quotation without end":        {[]string{`DPoP error="use_dpop_nonce`}, ""},
		"nothing after the sign":       {[]string{`DPoP error=, x=y`}, ""},
		"not allowed characters":       {[]string{`"DPoP" error="use_dpop_nonce"`}, ""},
		"only the error":               {[]string{`error="use_dpop_nonce"`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := headers("WWW-Authenticate", test.values...)
			require.Equal(t, test.want, dpop.ChallengeError(h))
			require.Equal(t, test.want == dpop.ErrorUseNonce, dpop.Challenged(401, h))
			require.False(t, dpop.Challenged(403, h))
		})
	}
}

func TestNonce(t *testing.T) {
	for value, want := range map[string]string{
		"eyJ7S_zG.eyJH0-Z.HX4w-7v": "eyJ7S_zG.eyJH0-Z.HX4w-7v",
		"":                         "",
		"two words":                "",
		`with"quote`:               "",
		`with\\slash`:              "",
		"with\x7fdel":              "",
		"ümlaut":                   "",
		strings.Repeat("x", 1024):  strings.Repeat("x", 1024),
		strings.Repeat("x", 1025):  "",
	} {
		require.Equal(t, want, dpop.Nonce(headers(dpop.HeaderNonce, value)), value)
	}
	require.Empty(t, dpop.Nonce(http.Header{}))
	require.Empty(t, dpop.Nonce(headers(dpop.HeaderNonce, "a", "b")), "which of them?")
}

// FuzzChallengeError: whatever a server writes, the reading ends, and a challenge that is appended to what could be read is found.
func FuzzChallengeError(f *testing.F) {
	for _, seed := range []string{
		`DPoP error="use_dpop_nonce"`, `Bearer realm="x", DPoP error=use_dpop_nonce`, `Negotiate a==, DPoP`, `DPoP error="\`, `a=b`, `,,,`, `DPoP error=""`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		code := dpop.ChallengeError(headers("WWW-Authenticate", list))
		require.LessOrEqual(t, len(code), len(list))
		if code != "" {
			require.Contains(t, strings.ToLower(list), "dpop")
			require.Contains(t, strings.ToLower(list), "error")
		}
		require.Equal(t, dpop.ErrorUseNonce, dpop.ChallengeError(headers("WWW-Authenticate", "DPoP error="+dpop.ErrorUseNonce+", "+list)))
		dpop.Nonce(headers(dpop.HeaderNonce, list))
	})
}
