package main

import (
	"fmt"
	"io"
	"net"
	"net/url"
)

// relay passes connections to the API server on that come to the address of the service `kubernetes`, which every
// pod is told: there is no kube-proxy that would. It ends with this program.
func relay(address, server string) error {
	to, err := url.Parse(server)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("the service of the API server: %w", err)
	}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go pass(client, to.Host)
		}
	}()
	return nil
}

func pass(client net.Conn, host string) {
	defer client.Close()
	server, err := net.Dial("tcp", host)
	if err != nil {
		return
	}
	defer server.Close()
	ended := make(chan struct{}, 2)
	copying := func(to, from net.Conn) {
		io.Copy(to, from)
		ended <- struct{}{}
	}
	go copying(server, client)
	go copying(client, server)
	// A watch that has lost one direction is of no use with the other.
	<-ended
}
