package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/freshet-io/freshet/services/gateway"
	"github.com/freshet-io/freshet/services/gateway/proxy"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/lifecycle"
	"github.com/freshet-io/freshet/services/internal/telemetry"
)

// Options are what a program, rather than an operator, decides.
type Options struct {
	// Version is reported in telemetry.
	Version string
	// LogOutput is where the log goes. Default os.Stderr.
	LogOutput io.Writer
	// LookupEnv is where the standard OTEL_* variables are read. Default os.LookupEnv.
	LookupEnv func(string) (string, bool)
	// Ready is called once everything is served.
	Ready func(Addrs)
}

// Addrs are where a running process listens.
type Addrs struct {
	HTTP, GRPC string
	// AdminKeyFile and MasterKeyFile are the key files in use; the flags tell whether this start created them.
	AdminKeyFile, MasterKeyFile       string
	AdminKeyCreated, MasterKeyCreated bool
}

// Run runs the configured roles until ctx ends, then stops them within the shutdown timeout. It returns nil after an orderly stop.
func Run(ctx context.Context, config Config, options Options) (err error) {
	if err := config.Validate(); err != nil {
		return err
	}
	tel, err := setupTelemetry(ctx, &config, options)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = errors.Join(err, tel.Shutdown(ctx))
	}()
	p, err := newProcess(&config, options.Version, tel)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	return p.run(ctx, options)
}

func (p *process) run(ctx context.Context, options Options) error {
	httpListener, grpcListener, err := p.listen(ctx)
	if err != nil {
		return err
	}
	p.publicURL = publicURL(p.config, httpListener.Addr())
	tasks := []lifecycle.Task{{Name: "grpc", Run: func(ctx context.Context) error {
		return p.server.Serve(ctx, p.network.memory, grpcListener)
	}}}
	for _, r := range roles {
		if r.build == nil || !slices.Contains(p.config.Roles, r.name) {
			continue
		}
		background, err := p.start(ctx, r)
		if err != nil {
			return errors.Join(err, httpListener.Close(), grpcListener.Close())
		}
		tasks = append(tasks, background...)
	}
	through, err := p.apiProxy()
	if err != nil {
		return errors.Join(err, httpListener.Close(), grpcListener.Close())
	}
	if err := p.registerCalls(through); err != nil {
		return errors.Join(err, httpListener.Close(), grpcListener.Close())
	}
	rest, err := p.restServer(ctx, through)
	if err != nil {
		return errors.Join(err, httpListener.Close(), grpcListener.Close())
	}
	if through != nil {
		tasks = append(tasks, lifecycle.Task{Name: "proxy", Run: through.Run})
	}
	tasks = append(tasks,
		lifecycle.Task{Name: "http", Run: func(ctx context.Context) error { return rest.Serve(ctx, httpListener) }},
		// Last to start, so first to stop: readiness falls and streams end before anything they need does.
		lifecycle.Task{Name: "drain", Run: func(ctx context.Context) error {
			p.announce(options, httpListener.Addr(), grpcListener.Addr())
			<-ctx.Done()
			p.server.Drain()
			return nil
		}},
	)
	err = lifecycle.Run(ctx, p.config.ShutdownTimeout, tasks...)
	if err == nil {
		p.telemetry.Logger.InfoContext(ctx, "stopped")
	}
	return err
}

// start opens a role's database and builds it.
func (p *process) start(ctx context.Context, r role) ([]lifecycle.Task, error) {
	db, err := p.open(ctx, r)
	if err != nil {
		return nil, err
	}
	tasks, err := r.build(ctx, p, db)
	if err != nil {
		return nil, fmt.Errorf("role %s: %w", r.name, err)
	}
	return tasks, nil
}

func (p *process) listen(ctx context.Context) (httpListener, grpcListener net.Listener, err error) {
	var lc net.ListenConfig
	if httpListener, err = lc.Listen(ctx, "tcp", p.config.HTTPAddr); err != nil {
		return nil, nil, fmt.Errorf("http_addr: %w", err)
	}
	if grpcListener, err = lc.Listen(ctx, "tcp", p.config.GRPCAddr); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("grpc_addr: %w", err), httpListener.Close())
	}
	return httpListener, grpcListener, nil
}

// restServer serves HTTP: the REST face where the gateway role runs here, otherwise only health and metrics.
func (p *process) restServer(ctx context.Context, through *proxy.Proxy) (*gateway.Server, error) {
	handler, err := p.restHandler(ctx, through)
	if err != nil {
		return nil, err
	}
	tlsConfig, err := serverTLS(p.config.TLS)
	if err != nil {
		return nil, err
	}
	return gateway.NewServer(handler, gateway.ServerOptions{
		Logger:       p.logger("gateway"),
		TLS:          tlsConfig,
		DrainTimeout: p.config.ShutdownTimeout / 2,
	}), nil
}

func (p *process) restHandler(ctx context.Context, through *proxy.Proxy) (http.Handler, error) {
	params := gateway.Params{
		Authenticate: func(md metadata.MD) error {
			_, err := p.authn.Authenticate(md)
			return err
		},
		Ready:          p.ready,
		Metrics:        p.telemetry.MetricsHandler,
		Logger:         p.logger("gateway"),
		TracerProvider: p.telemetry.TracerProvider,
		MeterProvider:  p.telemetry.MeterProvider,
	}
	if !slices.Contains(p.config.Roles, "gateway") {
		return gateway.Operations(params), nil
	}
	for needed, conn := range map[string]*grpc.ClientConnInterface{
		"connection": &params.Connection, "token": &params.Token, "delivery": &params.Delivery, "gateway": &params.Access,
	} {
		opened, err := p.network.to(needed, "gateway", nil)
		if err != nil {
			return nil, err
		}
		*conn = opened
	}
	// The name is of the connection: it has another credential than that which passes on callers' own.
	webhooks, err := p.network.to("delivery", "gateway webhooks", p.internal.Credentials(authn.ServiceGateway))
	if err != nil {
		return nil, err
	}
	params.Webhooks = webhooks
	if params.Browsers, err = p.network.to("connection", "gateway browsers", p.internal.Credentials(authn.ServiceGateway)); err != nil {
		return nil, err
	}
	params.PublicHTTPS = strings.HasPrefix(p.publicURL, "https:")
	params.Proxy = through
	return gateway.New(ctx, params)
}

// announce says where the process listens and where its keys are; never what they are.
func (p *process) announce(options Options, httpAddr, grpcAddr net.Addr) {
	addrs := Addrs{
		HTTP: httpAddr.String(), GRPC: grpcAddr.String(),
		AdminKeyFile: p.config.AdminKeyPath(), MasterKeyFile: p.config.MasterKeyPath(),
		AdminKeyCreated: p.adminKeyCreated, MasterKeyCreated: p.masterKeyCreated,
	}
	p.telemetry.Logger.Info("serving", "http", addrs.HTTP, "grpc", addrs.GRPC, "roles", strings.Join(p.config.Roles, ","),
		"instance", p.instance, "admin_key_file", addrs.AdminKeyFile, "master_key_file", addrs.MasterKeyFile)
	if p.config.TLS.CertFile == "" {
		for _, addr := range []net.Addr{httpAddr, grpcAddr} {
			if tcp, ok := addr.(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
				p.telemetry.Logger.Warn("callers' keys travel unencrypted: set tls.cert_file and tls.key_file", "address", addr.String())
			}
		}
	}
	if options.Ready != nil {
		options.Ready(addrs)
	}
}

func setupTelemetry(ctx context.Context, config *Config, options Options) (*telemetry.Telemetry, error) {
	level, err := parseLevel(config.Log.Level)
	if err != nil {
		return nil, err
	}
	lookupEnv := options.LookupEnv
	if lookupEnv == nil {
		lookupEnv = os.LookupEnv
	}
	output := options.LogOutput
	if output == nil {
		output = os.Stderr
	}
	return telemetry.Setup(ctx, telemetry.Config{
		ServiceName: "freshet",
		Version:     options.Version,
		LogLevel:    level,
		LogFormat:   config.Log.Format,
		Output:      output,
		Getenv: func(name string) string {
			value, _ := lookupEnv(name)
			return value
		},
	})
}

func parseLevel(text string) (slog.Level, error) {
	var level slog.Level
	err := level.UnmarshalText([]byte(text))
	return level, err
}
