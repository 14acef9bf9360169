// Package app puts the services together.
package app

import (
	"os"

	_ "github.com/freshet-io/freshet/gen/rest/token" // want rest-in-gateway
	_ "github.com/freshet-io/freshet/services/connection"
	_ "github.com/freshet-io/freshet/services/token/store"
)

var home, _ = os.LookupEnv("HOME")
