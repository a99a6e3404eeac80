"""What may browsers, proxies and CDNs do with a response?"""
