package hygiene_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/gateway/proxy/hygiene"
)

func TestRequest(t *testing.T) {
	from := http.Header{
		"Authorization": {"Bearer ours"}, "X-Api-Key": {"ours"}, "Cookie": {"session=1"}, "Connection": {"close, X-Hop"}, "X-Hop": {"1"},
		"Keep-Alive": {"5"}, "Te": {"trailers"}, "Transfer-Encoding": {"chunked"}, "Upgrade": {"h2c"}, "Proxy-Authorization": {"x"}, "Host": {"evil"},
		"X-Forwarded-Host": {"evil"}, "Forwarded": {"host=evil"}, "X-Original-Url": {"/admin"}, "X-Http-Method-Override": {"DELETE"}, "Origin": {"https://a"},
		"Referer": {"https://a/proxy"}, "Freshet-Retries": {"2"}, "Grpc-Metadata-X": {"1"}, "X_api_key": {"1"}, "Content-Length": {"5"}, "Expect": {"100-continue"},
		"Accept": {"application/json"}, "Content-Type": {"text/plain"}, "X-Many": {"1", "2"}, "Range": {"bytes=0-1"}, "If-None-Match": {`"e"`},
	}
	require.Equal(t, http.Header{
		"Accept": {"application/json"}, "Content-Type": {"text/plain"}, "X-Many": {"1", "2"}, "Range": {"bytes=0-1"}, "If-None-Match": {`"e"`},
		"X-Version": {"7"}, "User-Agent": nil, "Accept-Encoding": {"identity"},
	}, hygiene.Request(from, map[string]string{"accept": "text/html", "X-Version": "7"}))
	require.Equal(t, "Bearer ours", from.Get("Authorization"), "the caller's own headers are left alone")
}

func TestResponse(t *testing.T) {
	secrets := hygiene.NewSecrets("Bearer tok/en+1", "Basic dXNlcjpwYXNzd29yZA==")
	from := http.Header{
		"Set-Cookie": {"a=b"}, "Access-Control-Allow-Origin": {"*"}, "Strict-Transport-Security": {"max-age=1"}, "Connection": {"X-Hop"}, "X-Hop": {"1"},
		"Transfer-Encoding": {"chunked"}, "Trailer": {"X-T"}, "Alt-Svc": {"h3"}, "Freshet-Error": {"forged"}, "Dpop-Nonce": {"n"}, "Refresh": {"0;url=https://evil"},
		"X-Echo": {"got tok/en+1"}, "X-Echo2": {"fine", "?t=" + url.QueryEscape("tok/en+1")}, "X-Echo3": {"password"}, "Content-Security-Policy": {"default-src *"},
		"Content-Type": {"text/html"}, "Etag": {`"e"`}, "X-Ratelimit-Remaining": {"7"}, "Www-Authenticate": {"Bearer"}, "Content-Range": {"bytes 0-1/2"},
	}
	to := http.Header{}
	hygiene.Response(to, from, secrets)
	require.Equal(t, http.Header{
		"Content-Type": {"text/html"}, "Etag": {`"e"`}, "X-Ratelimit-Remaining": {"7"}, "Www-Authenticate": {"Bearer"}, "Content-Range": {"bytes 0-1/2"},
		"X-Content-Type-Options": {"nosniff"}, "Content-Security-Policy": {"sandbox; default-src 'none'"},
	}, to)
}
