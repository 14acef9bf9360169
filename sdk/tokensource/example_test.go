package tokensource_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"google.golang.org/grpc"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/tokensource"
)

// freshet stands for a running Freshet with the connection "crm". It returns its
// gRPC address, a function that rotates the token, and one that stops it.
func freshet(token *tokenv1.Token) (addr string, rotate func(*tokenv1.Token), stop func()) {
	service := newTokenServer(token)
	service.onReject = func(string) { service.push(bearer(2, "second", time.Hour)) }
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Panic(err)
	}
	server := grpc.NewServer()
	tokenv1.RegisterTokenServiceServer(server, service)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	return listener.Addr().String(), service.push, func() {
		server.Stop()
		<-done
	}
}

func Example() {
	addr, rotate, stop := freshet(bearer(1, "first", time.Hour))
	defer stop()

	// An application uses "127.0.0.1:9090" and KeyFile("freshet-data/admin.key").
	conn, err := tokensource.Dial(addr, tokensource.Key("admin key"))
	if err != nil {
		log.Panic(err)
	}
	defer conn.Close()
	source, err := tokensource.New(context.Background(), conn, "projects/default/connections/crm")
	if err != nil {
		log.Panic(err)
	}
	defer source.Close()

	token, err := source.Token()
	fmt.Println(token.AccessToken, err)

	updated := source.Updated()
	rotate(bearer(2, "second", time.Hour))
	<-updated
	token, err = source.Token()
	fmt.Println(token.AccessToken, err)
	// Output:
	// first <nil>
	// second <nil>
}

func ExampleSource_HTTPClient() {
	addr, _, stop := freshet(bearer(1, "first", time.Hour))
	defer stop()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("API got", r.Header.Get("Authorization"))
		if r.Header.Get("Authorization") == "Bearer first" { // revoked, though it has not expired
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer api.Close()

	conn, err := tokensource.Dial(addr, tokensource.Key("admin key"))
	if err != nil {
		log.Panic(err)
	}
	defer conn.Close()
	source, err := tokensource.New(context.Background(), conn, "projects/default/connections/crm")
	if err != nil {
		log.Panic(err)
	}
	defer source.Close()

	client := source.HTTPClient()
	defer client.CloseIdleConnections()
	response, err := client.Get(api.URL + "/orders")
	if err != nil {
		log.Panic(err)
	}
	defer response.Body.Close()
	fmt.Println("application got", response.Status)
	// Output:
	// API got Bearer first
	// API got Bearer second
	// application got 200 OK
}

func ExampleStateError() {
	addr, _, stop := freshet(in(bearer(7, "", 0), tokenv1.Token_DEAUTHORIZED, errorsv1.Reason_GRANT_DEAD))
	defer stop()
	conn, err := tokensource.Dial(addr, tokensource.Key("admin key"))
	if err != nil {
		log.Panic(err)
	}
	defer conn.Close()

	_, err = tokensource.New(context.Background(), conn, "projects/default/connections/crm")
	var state *tokensource.StateError
	if errors.As(err, &state) && state.State == tokenv1.Token_DEAUTHORIZED {
		fmt.Println("authorize again:", state.Reason)
	}
	// Output:
	// authorize again: GRANT_DEAD
}
