package main

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/cmd/freshet/commands"
)

// TestMain is also the child process: Freshet is started as this program with another first argument.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childArgument {
		os.Exit(run())
	}
	goleak.VerifyTestMain(m)
}

// customer is a browser with cookies.
type customer struct {
	t      *testing.T
	client *http.Client
}

func newCustomer(t *testing.T) *customer {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &customer{t: t, client: &http.Client{Jar: jar, Transport: transport}}
}

// visit follows redirects, and returns where that ended and what is there.
func (c *customer) visit(method, target string, form url.Values, status int) (at, text string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, target, strings.NewReader(form.Encode()))
	require.NoError(c.t, err)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	response, err := c.client.Do(r)
	require.NoError(c.t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	require.NoError(c.t, response.Body.Close())
	require.Equal(c.t, status, response.StatusCode, "%s: %s", target, body)
	return response.Request.URL.String(), string(body)
}

// TestPhotoprint is customers who connect a drive, look at their photos, and have one printed.
func TestPhotoprint(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	ready, served := make(chan string, 1), make(chan error, 1)
	go func() { served <- serve(ctx, "", "", "127.0.0.1:0", func(at string) { ready <- at }) }()
	defer func() {
		stop()
		require.NoError(t, <-served)
	}()
	var shop string
	select {
	case shop = <-ready:
	case err := <-served:
		served <- nil // for the end
		require.NoError(t, err)
	}
	for drive, titles := range map[string][]string{"cloudbox": {"beach.png", "harbour.png", "sunset.png"}, "skyfolder": {"first-day", "wedding", "grandma"}} {
		c := newCustomer(t)
		c.visit("GET", shop+"/photos/"+drive, nil, http.StatusNotFound) // nothing is connected yet
		_, home := c.visit("GET", shop, nil, http.StatusOK)
		require.Contains(t, home, "/connect/"+drive)

		// Connect: the shop, Freshet's page, the drive's page, and back.
		link, page := c.visit("POST", shop+"/connect/"+drive, nil, http.StatusOK)
		require.Contains(t, page, "PrintPixie")
		consent, page := c.visit("POST", link, nil, http.StatusOK)
		require.Contains(t, page, "asks for access")
		at, page := c.visit("POST", consent, url.Values{"decision": {"allow"}, "user": {"ada"}}, http.StatusOK)
		require.Equal(t, shop+"/photos/"+drive, at)
		for _, title := range titles {
			require.Contains(t, page, `alt="`+title+`"`)
		}

		thumbnails := regexp.MustCompile(`src="([^"]+)"`).FindAllStringSubmatch(page, -1)
		require.Len(t, thumbnails, 3)
		_, small := c.visit("GET", shop+thumbnails[1][1], nil, http.StatusOK)
		_, large := c.visit("GET", shop+strings.Replace(thumbnails[1][1], "/thumbnails/", "/originals/", 1), nil, http.StatusOK)
		require.True(t, strings.HasPrefix(small, "\x89PNG"))
		require.Greater(t, len(large), len(small))
		_, thanks := c.visit("POST", shop+strings.Replace(thumbnails[1][1], "/thumbnails/", "/orders/", 1), nil, http.StatusOK)
		require.Contains(t, thanks, "is placed")

		// Another customer has connected nothing, and an unknown photo is none.
		newCustomer(t).visit("POST", shop+strings.Replace(thumbnails[1][1], "/thumbnails/", "/orders/", 1), nil, http.StatusNotFound)
		c.visit("GET", shop+"/originals/"+drive+"/99", nil, http.StatusNotFound)
	}
}

// TestInterfaceFile: the file is one that Freshet takes.
func TestInterfaceFile(t *testing.T) {
	var out strings.Builder
	require.Zero(t, commands.Run(t.Context(), []string{"interfaces", "lint", "photos.json"}, strings.NewReader(""), &out, &out, os.LookupEnv), "%s", &out)
}
