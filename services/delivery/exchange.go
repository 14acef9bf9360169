package delivery

import "time"

// Detail says what attempts keep of their HTTP exchange. The numbers are those of the API and of the store.
type Detail int

// The details.
const (
	DetailFailures Detail = 1 // timings and address; headers of attempts that failed
	DetailAll      Detail = 2
	DetailNone     Detail = 3
)

// Exchange is what is known of an attempt's HTTP exchange. Durations that are zero did not happen.
type Exchange struct {
	DNS, Connect, TLS time.Duration
	FirstByte         time.Duration // from the beginning of the attempt
	Reused            bool          // the connection was open already
	Remote            string        // address and port
	Protocol          string        // of the answer
	// RequestHeaders and ResponseHeaders hold no secrets; of several values of a name, all.
	RequestHeaders  map[string]string
	ResponseHeaders map[string]string
}
