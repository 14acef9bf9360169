// Package oauth asks for tokens.
package oauth

import (
	"net"
	"net/http"

	_ "google.golang.org/grpc/status"
)

var given *http.Client // a client from the guarded way out

func ask(url string, client *http.Client) {
	given = client
	given = http.DefaultClient          // want egress-only
	given = &http.Client{}              // want egress-only
	given.Transport = &http.Transport{} // want egress-only
	_, _ = http.Get(url)                // want egress-only
	_, _ = net.Dial("tcp", url)         // want egress-only
	var d net.Dialer                    // want egress-only
	_, _ = d.Dial("tcp", url)
}
