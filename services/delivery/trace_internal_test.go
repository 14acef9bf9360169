package delivery

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// TestSpanContext compares with the library's reading of the header.
func TestSpanContext(t *testing.T) {
	const ids = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
	for _, text := range []string{
		"00-" + ids + "-00", "00-" + ids + "-01", "00-" + ids + "-03", "00-" + ids + "-02", "cc-" + ids + "-01", "cc-" + ids + "-01-more",
		"", "x", "00-" + ids + "-1", "00-" + ids + "-0x", "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		"00-zzf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-zzad6b7169203331-01",
	} {
		ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": text})
		want, got := trace.SpanContextFromContext(ctx), spanContext(text)
		require.Equal(t, want.IsValid(), got.IsValid(), text)
		if want.IsValid() {
			require.True(t, want.Equal(got), text)
			require.Equal(t, want.IsRemote(), got.IsRemote(), text)
		}
	}
}
