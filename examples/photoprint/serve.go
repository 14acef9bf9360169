package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"time"
)

// serve runs the drives, the shop, and Freshet unless there is one already, until ctx ends. ready is told the shop's URL.
func serve(ctx context.Context, at, keyFile, address string, ready func(url string)) (err error) {
	var f *freshet
	if at != "" {
		f, err = reach(at, keyFile)
	} else {
		var dir string
		if dir, err = os.MkdirTemp("", "photoprint-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		var stop func() error
		if f, stop, err = startFreshet(ctx, dir); err == nil {
			defer func() { err = errors.Join(err, stop()) }()
		}
	}
	if err != nil {
		return err
	}
	defer f.client.CloseIdleConnections()

	drives := []*drive{
		{id: "cloudbox", name: "Cloudbox", photos: []string{"beach", "harbour", "sunset"}},
		{id: "skyfolder", name: "Skyfolder", photos: []string{"first-day", "wedding", "grandma"}},
	}
	callback := f.url + "/oauth/callback"
	if err := startDrive(drives[0], callback, cloudbox); err != nil {
		return err
	}
	defer drives[0].server.Close()
	if err := startDrive(drives[1], callback, skyfolder); err != nil {
		return err
	}
	defer drives[1].server.Close()

	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	url := "http://" + listener.Addr().String()
	printing, err := newShop(f, url, drives)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := f.setUp(ctx, url, drives); err != nil {
		return errors.Join(err, listener.Close())
	}
	server := &http.Server{Handler: printing.handler(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	ready(url)
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		return server.Shutdown(context.WithoutCancel(ctx))
	}
}
