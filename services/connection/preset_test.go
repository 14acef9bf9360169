package connection_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// setAll sets every field of v. Values of fields differ.
func setAll(v reflect.Value) {
	for i := range v.NumField() {
		field, name := v.Field(i), v.Type().Field(i).Name
		switch {
		case field.Type() == reflect.TypeFor[time.Duration]():
			field.SetInt(int64(i+1) * int64(time.Hour))
		case field.CanInt():
			field.SetInt(int64(i + 1))
		case field.Kind() == reflect.Bool:
			field.SetBool(true)
		case field.Kind() == reflect.Map:
			field.Set(reflect.ValueOf(map[string]string{name: "x"}))
		default:
			field.SetString(name)
		}
	}
}

// TestEverythingIsFilled fails when a field of the settings about a server is forgotten in FilledFrom.
func TestEverythingIsFilled(t *testing.T) {
	defaults := connection.OAuth2{TokenEndpoint: "https://as.example", Audience: "a", ClientAuthentication: connection.ClientSecretPost}
	setAll(reflect.ValueOf(&defaults.Dialect).Elem())
	setAll(reflect.ValueOf(&defaults.Provider).Elem())
	setAll(reflect.ValueOf(&defaults.Refresh).Elem())
	// These are for whoever makes the connection to decide.
	defaults.Refresh.RevokeSuperseded, defaults.Refresh.GrantWarning = false, 0
	require.Equal(t, defaults, connection.OAuth2{}.FilledFrom(defaults))

	own := defaults
	setAll(reflect.ValueOf(&own.Refresh).Elem())
	own.Dialect.Method, own.Provider.Recovery, own.TokenEndpoint = "GET", connection.RecoveryGrace, "https://own.example"
	require.Equal(t, own, own.FilledFrom(defaults), "what is set stays")
}

func TestParametersAreFilledByKey(t *testing.T) {
	value := func(key, value string) connection.Parameter {
		return connection.Parameter{Key: key, Value: seal.NewSecret(value)}
	}
	own := connection.OAuth2{Token: connection.Parameters{
		Headers: []connection.Parameter{value("X-Own", "1")}, Body: []connection.Parameter{value("a", "own"), value("audience", "own")},
	}}
	filled := own.FilledFrom(connection.OAuth2{Audience: "theirs", Token: connection.Parameters{
		Headers: []connection.Parameter{value("x-own", "2"), value("x-more", "3")}, Body: []connection.Parameter{value("A", "theirs"), value("a", "theirs")},
	}})
	require.Equal(t, []connection.Parameter{value("X-Own", "1"), value("x-more", "3")}, filled.Token.Headers, "names of headers differ in more than case")
	require.Equal(t, []connection.Parameter{value("a", "own"), value("audience", "own"), value("A", "theirs")}, filled.Token.Body)
	require.Empty(t, filled.Audience, "the connection sends one of its own")
	require.Len(t, own.Token.Headers, 1, "the original is left alone")
}
