package token_test

import (
	_ "github.com/freshet-io/freshet/services/connection" // want services-meet-in-gen
	_ "github.com/freshet-io/freshet/services/demo/api"
	_ "github.com/freshet-io/freshet/services/token/store"
)
