package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// freshet is a running Freshet and a key for it.
type freshet struct {
	url, key string
	client   *http.Client
}

const project = "/v1/projects/default"

// reach returns the Freshet at a URL.
func reach(url, keyFile string) (*freshet, error) {
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	return &freshet{url: strings.TrimRight(url, "/"), key: strings.TrimSpace(string(key)), client: &http.Client{Timeout: time.Minute}}, nil
}

// childArgument makes this program Freshet's command line.
const childArgument = "freshet"

// startFreshet runs `freshet serve` in a child process, which is this program again, until stop is called.
func startFreshet(ctx context.Context, dir string) (f *freshet, stop func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	// stop ends it, in order; the end of ctx must not.
	child := exec.CommandContext(context.WithoutCancel(ctx), self, //nolint:gosec // It is this program.
		childArgument, "serve", "--data-dir", dir, "--http-addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0",
		"--egress-allow", "loopback", "--egress-allow-http", "--log-level", "error") // the drives are on this machine
	child.Stderr = os.Stderr
	output, err := child.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := child.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() error {
		_ = child.Process.Signal(syscall.SIGTERM)
		return child.Wait()
	}
	for lines := bufio.NewScanner(output); lines.Scan(); {
		at, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "REST")
		if !ok {
			continue
		}
		go func() { _, _ = io.Copy(io.Discard, output) }()
		if f, err = reach(strings.TrimSpace(at), filepath.Join(dir, "admin.key")); err != nil {
			return nil, nil, errors.Join(err, stop())
		}
		return f, stop, nil
	}
	return nil, nil, errors.Join(errors.New("freshet did not start"), stop())
}

// problem is an error of Freshet's.
type problem struct {
	Status int    `json:"status"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

// Error implements error.
func (p *problem) Error() string { return fmt.Sprintf("%s: %s", p.Reason, p.Detail) }

// call makes a call of Freshet's API; out may be nil.
func (f *freshet) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	response, err := f.do(ctx, method, path, body, nil)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		wrong := &problem{}
		if err := json.NewDecoder(response.Body).Decode(wrong); err != nil {
			return fmt.Errorf("%s %s: %s", method, path, response.Status)
		}
		return wrong
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(out)
}

// do sends a request with the key.
func (f *freshet) do(ctx context.Context, method, path string, body io.Reader, header map[string]string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, f.url+path, body)
	if err != nil {
		return nil, err
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	request.Header.Set("Authorization", "Bearer "+f.key)
	return f.client.Do(request)
}

//go:embed photos.json
var photosInterface string

// setUp does steps 1 to 3 of the README: the shop's registration at each drive, and the interface over both.
func (f *freshet) setUp(ctx context.Context, shop string, drives []*drive) error {
	for _, d := range drives {
		err := f.call(ctx, http.MethodPost, project+"/connections?connectionId="+d.id, map[string]any{
			"description": "Your photos, for prints.",
			"apiBaseUrl":  d.server.URL + "/api",
			"connect":     map[string]any{"applicationName": "PrintPixie", "returnUrls": []string{shop + "/connected/" + d.id}},
			"oauth2": map[string]any{
				"grantType": "AUTHORIZATION_CODE", "clientId": clientID, "clientSecret": d.secret, "issuer": d.server.URL,
				"authorizationEndpoint": d.server.URL + "/oauth2/authorize", "tokenEndpoint": d.server.URL + "/oauth2/token",
				"scopes": []string{"photos.read", "offline_access"},
			},
		}, nil)
		if err != nil {
			return fmt.Errorf("connection %s: %w", d.id, err)
		}
	}
	return f.call(ctx, http.MethodPost, project+"/interfaces?interfaceId=photos", map[string]any{"definition": photosInterface}, nil)
}
