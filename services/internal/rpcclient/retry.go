package rpcclient

import (
	"encoding/json"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// The gRPC service config, as far as it is used here
// (https://github.com/grpc/grpc-proto/blob/master/grpc/service_config/service_config.proto).
type (
	config struct {
		LoadBalancing []map[string]struct{} `json:"loadBalancingConfig"`
		Methods       []methodConfig        `json:"methodConfig,omitempty"`
		Throttling    retryThrottling       `json:"retryThrottling"`
	}
	methodConfig struct {
		Names []methodName `json:"name"`
		Retry retryPolicy  `json:"retryPolicy"`
	}
	methodName struct {
		Service string `json:"service"`
		Method  string `json:"method"`
	}
	retryPolicy struct {
		MaxAttempts       int      `json:"maxAttempts"`
		InitialBackoff    string   `json:"initialBackoff"`
		MaxBackoff        string   `json:"maxBackoff"`
		BackoffMultiplier float64  `json:"backoffMultiplier"`
		Codes             []string `json:"retryableStatusCodes"`
	}
	// retryThrottling stops retries of a connection when many calls fail.
	retryThrottling struct {
		MaxTokens  int     `json:"maxTokens"`
		TokenRatio float64 `json:"tokenRatio"`
	}
)

// serviceConfig returns the config of every connection.
func serviceConfig() (string, error) {
	c := config{
		LoadBalancing: []map[string]struct{}{{"round_robin": {}}},
		Throttling:    retryThrottling{MaxTokens: 100, TokenRatio: 0.1},
	}
	if names := retryable(); len(names) > 0 {
		c.Methods = []methodConfig{{
			Names: names,
			Retry: retryPolicy{
				MaxAttempts:       3,
				InitialBackoff:    "0.1s",
				MaxBackoff:        "1s",
				BackoffMultiplier: 3,
				Codes:             []string{"UNAVAILABLE"},
			},
		}}
	}
	text, err := json.Marshal(c)
	return string(text), err
}

// retryable returns the unary methods that may be sent twice: those of all
// contracts in this binary that say so with their idempotency_level.
func retryable() []methodName {
	var names []methodName
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if !strings.HasPrefix(string(file.Package()), "freshet.") {
			return true
		}
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				if method := service.Methods().Get(j); repeatable(method) {
					names = append(names, methodName{Service: string(service.FullName()), Method: string(method.Name())})
				}
			}
		}
		return true
	})
	return names
}

func repeatable(method protoreflect.MethodDescriptor) bool {
	options, ok := method.Options().(*descriptorpb.MethodOptions)
	if !ok || method.IsStreamingClient() || method.IsStreamingServer() {
		return false
	}
	return options.GetIdempotencyLevel() != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
}
