package tokensource_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

// SignRequest signs nothing, but says what was asked for.
func (s *tokenServer) SignRequest(_ context.Context, request *tokenv1.SignRequestRequest) (*tokenv1.SignRequestResponse, error) {
	if strings.Contains(request.GetUrl(), "unsignable") {
		return nil, status.Error(codes.InvalidArgument, "no")
	}
	return &tokenv1.SignRequestResponse{
		Authorization: strings.Join([]string{"OAuth", request.GetHttpMethod(), request.GetUrl(), request.GetForm()}, " "),
	}, nil
}

// TestRoundTripperSignsRequests: with what is sent, whatever the application put there.
func TestRoundTripperSignsRequests(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.Header.Get("Authorization")+"|"+string(body))
	}))
	t.Cleanup(api.Close)
	token := static(1, &tokenv1.HttpCredential{Query: []*tokenv1.HttpCredentialField{{Key: "script", Value: "7"}}})
	token.Oauth1 = &tokenv1.Oauth1Signing{SignatureMethod: "HMAC-SHA1"}
	source := newSource(t, newTokenServer(token))
	client := &http.Client{Transport: source.RoundTripper(&http.Transport{DisableKeepAlives: true})}
	send := func(method, path, contentType, body string) (string, error) {
		request, err := http.NewRequestWithContext(t.Context(), method, api.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Content-Type", contentType)
		request.Header.Set("Authorization", "mine")
		response, err := client.Do(request)
		if err != nil {
			return "", err
		}
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return string(text), nil
	}
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct{ method, path, contentType, body, want string }{
		{"GET", "/a?x=%2F", "", "", "OAuth GET " + api.URL + "/a?x=%2F&script=7|"},
		{"POST", "/b", "application/json", `{"a":1}`, "OAuth POST " + api.URL + `/b?script=7|{"a":1}`},
		{"POST", "/c", form + "; charset=utf-8", "a=1+2", "OAuth POST " + api.URL + "/c?script=7 a=1+2|a=1+2"},
	} {
		got, err := send(c.method, c.path, c.contentType, c.body)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	_, err := send("POST", "/", form, strings.Repeat("a", 1<<20+1))
	require.ErrorContains(t, err, "cannot be signed")
	_, err = send("GET", "/unsignable", "", "")
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	_, err = source.PerRPCCredentials().GetRequestMetadata(t.Context())
	require.Equal(t, codes.Unauthenticated, status.Code(err))
}
